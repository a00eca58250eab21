// The day as a line, its average and its volume by the minute, with our fills marked on it.

import { say } from "./words.js";

const LEGIBLE = 12; // marks with words on one chart
const SHANGHAI = 8 * 3600; // the library shows UTC
const colour = (name) => getComputedStyle(document.body).getPropertyValue(name).trim();

export class Chart {
  constructor(element, reading) {
    this.library = window.LightweightCharts;
    this.reading = reading;
    this.points = [];
    this.fills = new Map();
    this.traded = new Map(); // the chart's minute -> what we traded in it, in words
    this.chart = this.library.createChart(element, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11, background: { color: "transparent" } },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.24 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: false, rightOffset: 2, minBarSpacing: 0.2 },
      crosshair: { mode: this.library.CrosshairMode.Normal },
      localization: { timeFormatter: hours },
      handleScale: { axisPressedMouseMove: false },
    });
    this.price = this.chart.addSeries(this.library.BaselineSeries, { lineWidth: 2, priceLineVisible: false });
    this.average = this.chart.addSeries(this.library.LineSeries, {
      lineWidth: 1, priceLineVisible: false, lastValueVisible: false, crosshairMarkerVisible: false,
    });
    this.volume = this.chart.addSeries(this.library.HistogramSeries, {
      priceScaleId: "volume", priceFormat: { type: "volume" }, priceLineVisible: false, lastValueVisible: false,
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.marks = this.library.createSeriesMarkers(this.price, []);
    this.chart.subscribeCrosshairMove((move) => this.read(move));
    this.dress();
  }

  // Colours follow the theme and what red means.
  dress() {
    const [up, down, grid, text] = ["--up", "--down", "--line", "--soft"].map(colour);
    this.chart.applyOptions({
      layout: { textColor: text },
      grid: { vertLines: { color: grid }, horzLines: { color: grid } },
    });
    const faint = (shade) => `${shade}22`;
    this.price.applyOptions({
      topLineColor: up, topFillColor1: faint(up), topFillColor2: `${up}05`,
      bottomLineColor: down, bottomFillColor1: `${down}05`, bottomFillColor2: faint(down),
    });
    this.average.applyOptions({ color: colour("--amber") });
    this.volume.applyOptions({ color: colour("--bar") });
    this.mark();
  }

  // A piece of the curve: from a number on; all of it when that is 0.
  take({ symbol, from, points, fills }, base) {
    const whole = from === 0 && fills !== undefined;
    if (whole) {
      this.symbol = symbol;
      this.points = [];
      this.fills = new Map();
      for (const fill of fills) this.fills.set(fill.id, fill);
    }
    this.points.length = from;
    this.points.push(...points);
    if (whole) {
      this.price.applyOptions({ priceFormat: format(symbol), baseValue: { type: "price", price: base || points[0]?.[1] || 0 } });
      this.price.setData(this.points.map(value));
      this.average.setData(this.points.filter((point) => point[2]).map(average));
      this.volume.applyOptions({ visible: symbol !== "" });
      this.volume.setData(this.points.map((point, i) => volume(point, this.points[i - 1])));
      this.chart.timeScale().fitContent();
    } else {
      for (let i = from; i < this.points.length; i++) {
        this.price.update(value(this.points[i]));
        if (this.points[i][2]) this.average.update(average(this.points[i]));
        this.volume.update(volume(this.points[i], this.points[i - 1]));
      }
      if (points.length > 1) this.chart.timeScale().fitContent();
    }
    if (whole || points.length > 1) this.mark();
  }

  // Fills of its symbol, that it may know already.
  add(fills) {
    let more = false;
    for (const fill of fills) {
      if (fill.symbol !== this.symbol || this.fills.has(fill.id)) continue;
      this.fills.set(fill.id, fill);
      more = true;
    }
    if (more) this.mark();
  }

  mark() {
    if (!this.points.length) return this.marks.setMarkers([]);
    const [up, down] = ["--up", "--down"].map(colour);
    const [first, last] = [this.points[0][0], this.points.at(-1)[0]];
    const minutes = new Map(); // (minute, side) -> shares
    for (const fill of this.fills.values()) {
      const minute = Math.floor(Date.parse(`${fill.time.replace(" ", "T")}+08:00`) / 60000) * 60;
      const key = `${Math.min(Math.max(minute, first), last)} ${fill.side}`;
      minutes.set(key, (minutes.get(key) ?? 0) + fill.quantity);
    }
    const named = minutes.size <= LEGIBLE; // else words would lie over one another: the reading has them
    this.traded = new Map();
    for (const [key, shares] of minutes) {
      const [minute, side] = key.split(" ");
      const told = this.traded.get(Number(minute) + SHANGHAI) ?? [];
      this.traded.set(Number(minute) + SHANGHAI, [...told, `${say(side)} ${shares.toLocaleString("en")}`]);
    }
    const marks = [...minutes].map(([key, shares]) => {
      const [minute, side] = key.split(" ");
      const buys = side === "buy";
      return {
        time: Number(minute) + SHANGHAI, position: buys ? "belowBar" : "aboveBar",
        shape: buys ? "arrowUp" : "arrowDown", color: buys ? up : down,
        text: named ? `${say(side)} ${shares.toLocaleString("en")}` : "",
      };
    });
    this.marks.setMarkers(marks.sort((one, other) => one.time - other.time));
  }

  read(move) {
    const price = move.seriesData?.get(this.price)?.value;
    const mean = move.seriesData?.get(this.average)?.value;
    if (price === undefined) {
      this.reading.textContent = "";
      return;
    }
    this.reading.textContent = `${hours(move.time)}  ${price.toFixed(this.symbol ? 3 : 2)}` + (mean ? `  ${say("average")} ${mean.toFixed(3)}` : "")
      + (this.traded.get(move.time) ?? []).map((words) => `  ${words}`).join("");
  }
}

// A total in cents with commas; funds have ticks of a tenth of a cent.
const format = (symbol) =>
  symbol === ""
    ? { type: "custom", minMove: 0.01, formatter: (number) => number.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) }
    : /^(5|1[5-8])/.test(symbol) ? { type: "price", precision: 3, minMove: 0.001 } : { type: "price", precision: 2, minMove: 0.01 };
const hours = (time) => new Date(time * 1000).toISOString().slice(11, 16);
const value = ([time, price]) => ({ time: time + SHANGHAI, value: price });
const average = ([time, , mean]) => ({ time: time + SHANGHAI, value: mean });
const volume = ([time, , , shares], before) => ({ time: time + SHANGHAI, value: Math.max(0, shares - (before ? before[3] : 0)) });
