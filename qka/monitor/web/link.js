// The link to the engine: who we are, the stream of panels, commands. It comes back by itself.

const PATIENCE = 5000; // ms for an answer
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE), cache: "no-store" });
  const said = await answer.json().catch(() => ({}));
  return { status: answer.status, said };
}

const post = (path, body) =>
  ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

export const login = (body) => post("login", body);
export const logout = () => post("logout", {});
export const command = (name, args, why) => post("command", { command: name, args, who: "dashboard", why });

export class Link {
  constructor({ taken, away, stranger }) {
    Object.assign(this, { taken, away, stranger });
    this.chart = "";
    this.heard = 0; // ms, when the last message came
  }

  // For ever: be let in, look on, and come back after every end.
  async run() {
    for (let tries = 0; ; tries++) {
      try {
        const { status } = await ask("session");
        if (status === 401) {
          await this.stranger();
          continue;
        }
        if (status === 200 && (await this.look())) tries = 0;
      } catch {
        // nobody there
      }
      this.away();
      await pause(Math.min(4000, 250 * 2 ** Math.min(tries, 5)));
    }
  }

  // One stream until its end; whether anything came.
  look() {
    return new Promise((end) => {
      let some = false;
      const address = new URL("stream", location.href);
      address.protocol = address.protocol.replace("http", "ws");
      const socket = (this.socket = new WebSocket(address));
      socket.onopen = () => this.chart && this.show(this.chart);
      socket.onmessage = ({ data }) => {
        some = true;
        this.heard = performance.now();
        this.taken(JSON.parse(data));
      };
      socket.onclose = () => end(some);
    });
  }

  // Another curve.
  show(symbol) {
    this.chart = symbol;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ chart: symbol }));
  }
}
