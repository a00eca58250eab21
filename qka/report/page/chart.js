(function () {
  "use strict";
  const box = document.getElementById("chart"), legend = document.getElementById("legend");
  const data = JSON.parse(document.getElementById("data").textContent);
  const charts = window.LightweightCharts, count = data.time.length;
  const place = new Map(data.time.map((time, i) => [time, i]));
  const money = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  const short = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
  const days = new Set(data.time.map((time) => Math.floor(time / 86400))).size;

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }
  function two(number) { return String(number).padStart(2, "0"); }
  function clock(time) {
    const at = new Date(time * 1000);
    return two(at.getUTCHours()) + ":" + two(at.getUTCMinutes());
  }
  function day(time) {
    const at = new Date(time * 1000);
    return two(at.getUTCMonth() + 1) + "-" + two(at.getUTCDate());
  }
  function tell(i) {
    const strong = document.createElement("b");
    strong.textContent = money.format(data.equity[i]);
    legend.textContent = "";
    legend.append(
      day(data.time[i]) + " " + clock(data.time[i]) + "  ", strong,
      "  " + legend.dataset.drawdown + " " + data.drawdown[i].toFixed(2) + "%");
  }
  function looks() {
    const line = colour("--line"), none = { color: "transparent" };
    return {
      layout: {
        background: none, textColor: colour("--soft"), attributionLogo: false,
        fontFamily: getComputedStyle(document.body).fontFamily,
        panes: { separatorColor: line, enableResize: false },
      },
      grid: { vertLines: none, horzLines: { color: line } },
    };
  }
  function lines(name, width) {
    const tint = colour(name);
    return {
      lineColor: tint, topColor: tint + "30", bottomColor: tint + "08", lineWidth: width,
      priceLineVisible: false, lastValueVisible: false,
    };
  }
  const chart = charts.createChart(box, {
    autoSize: true,
    ...looks(),
    localization: { locale: document.documentElement.lang, timeFormatter: (time) => day(time) + " " + clock(time) },
    handleScroll: { mouseWheel: false, vertTouchDrag: false },
    handleScale: { mouseWheel: false },
    rightPriceScale: { borderVisible: false },
    timeScale: {
      borderVisible: false, timeVisible: days === 1, secondsVisible: false, minBarSpacing: 0.01,
      fixLeftEdge: true, fixRightEdge: true, lockVisibleTimeRangeOnResize: true,
      tickMarkFormatter: (time, kind) => (kind < 3 ? day(time) : clock(time)),
    },
  });
  const format = (formatter) => ({ priceFormat: { type: "custom", minMove: 0.01, formatter } });
  const equity = chart.addSeries(charts.AreaSeries, { ...lines("--accent", 2), ...format((v) => short.format(v)) }, 0);
  const falls = chart.addSeries(
    charts.BaselineSeries, { ...format((v) => v.toFixed(2) + "%"), baseValue: { type: "price", price: 0 } }, 1);
  function dress() {
    const fall = colour("--fall");
    chart.applyOptions(looks());
    equity.applyOptions(lines("--accent", 2));
    falls.applyOptions({
      bottomLineColor: fall, bottomFillColor1: fall + "08", bottomFillColor2: fall + "40",
      topLineColor: fall, topFillColor1: "transparent", topFillColor2: "transparent",
      lineWidth: 1, priceLineVisible: false, lastValueVisible: false,
    });
  }
  equity.setData(data.time.map((time, i) => ({ time, value: data.equity[i] })));
  falls.setData(data.time.map((time, i) => ({ time, value: data.drawdown[i] })));
  chart.panes()[1].setStretchFactor(0.45);
  dress();
  chart.timeScale().fitContent();
  tell(count - 1);
  chart.subscribeCrosshairMove((at) => tell(place.has(at.time) ? place.get(at.time) : count - 1));
  window.addEventListener("resize", () => setTimeout(() => chart.timeScale().fitContent(), 50));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  const printed = new Image();  // a canvas does not follow the width of the paper, a picture does
  printed.className = "printed";
  box.after(printed);
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details").forEach((one) => { one.open = true; });
    printed.src = chart.takeScreenshot().toDataURL();
  });
})();
