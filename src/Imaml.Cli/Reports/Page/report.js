
"use strict";
(function () {
  const SVG = "http://www.w3.org/2000/svg";
  const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#3a3a3a", "#8c6d1f"];
  const charts = JSON.parse(document.getElementById("report-data").textContent);
  const height = 300, left = 62, right = 16, top = 14, bottom = 40;
  let axis = "step";
  const drawn = [];

  function element(name, attributes, parent) {
    const one = document.createElementNS(SVG, name);
    for (const key in attributes) one.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(one);
    return one;
  }

  function html(name, text, parent) {
    const one = document.createElement(name);
    if (text) one.textContent = text;
    if (parent) parent.appendChild(one);
    return one;
  }

  // Multiples of 1, 2 or 5 times a power of ten, about `count` of them and at least two.
  function niceTicks(low, high, count) {
    const raw = (high - low) / count, power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = [1, 2, 5, 10].map(m => m * power).find(s => s >= raw * 0.999);
    const ticks = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) ticks.push({ at: i * step, step: step });
    return ticks.length > 1 || count > 20 ? ticks : niceTicks(low, high, 2 * count);
  }

  function logTicks(low, high) {
    const ticks = [], from = Math.floor(low), to = Math.ceil(high), every = Math.max(1, Math.ceil((to - from) / 8));
    for (let e = from; e <= to; e++) {
      for (const m of high - low < 2.2 ? [1, 2, 5] : [1]) {
        const at = e + Math.log10(m);
        if (at >= low && at <= high && e % every === 0) ticks.push({ at: at, value: m * Math.pow(10, e) });
      }
    }
    return ticks.length > 1 ? ticks : niceTicks(Math.pow(10, low), Math.pow(10, high), 4).map(tick => ({ at: Math.log10(tick.at), value: tick.at }));
  }

  function plain(value) {
    const size = Math.abs(value);
    return value === 0 ? "0" : size >= 1e6 || size < 1e-3 ? value.toExponential(2).replace(/\.?0*e\+?/, "e") : String(Number(value.toPrecision(5)));
  }

  function tickText(tick, percent) {
    const scale = percent ? 100 : 1, digits = Math.max(0, -Math.floor(Math.log10(tick.step * scale) + 1e-9));
    return Math.abs(tick.at * scale) >= 1e6 || digits > 6 ? plain(tick.at * scale) : (tick.at * scale).toFixed(digits);
  }

  // Eight colours and four shapes: 32 runs differ. The second curve of a run is dashed, and its markers are hollow.
  function marker(series, x, y, parent) {
    const colour = colours[series.run % 8], r = 3.4;
    const common = series.dashed ? { fill: "#fff", stroke: colour, "stroke-width": 1.2 } : { fill: colour, stroke: "#fff", "stroke-width": 0.8 };
    switch ((series.run + Math.floor(series.run / 8)) % 4) {
      case 0: return element("circle", Object.assign({ cx: x, cy: y, r: r }, common), parent);
      case 1: return element("rect", Object.assign({ x: x - r, y: y - r, width: 2 * r, height: 2 * r }, common), parent);
      case 2: return element("path", Object.assign({ d: "M" + x + " " + (y - 4.3) + "l4.3 7.4h-8.6z" }, common), parent);
      default: return element("path", Object.assign({ d: "M" + x + " " + (y - 4.6) + "l4.6 4.6l-4.6 4.6l-4.6 -4.6z" }, common), parent);
    }
  }

  function Chart(figure, chart) {
    const hidden = new Set();
    let view = null, logarithmic = chart.logarithmic, frame = null, drag = null;
    const tools = html("div", ""), all = html("button", "all of it", tools);
    [tools.className, all.type, all.hidden] = ["tools", "button", true];
    figure.querySelector("figcaption").prepend(tools);
    all.onclick = () => { view = null; draw(); };
    if (!chart.percent) {
      const label = html("label", "", tools), box = html("input", "", label);
      box.type = "checkbox";
      box.checked = logarithmic;
      label.append(" logarithmic");
      box.onchange = () => { logarithmic = box.checked; draw(); };
    }
    const svg = element("svg", { tabindex: 0, role: "img", "aria-label": chart.title, height: height }, figure);
    const tip = html("div", "", figure), legend = html("div", "", figure);
    [tip.className, tip.hidden, legend.className] = ["tip", true, "legend"];
    chart.series.forEach((series, i) => {
      const button = html("button", "", legend);
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      const sample = element("svg", { viewBox: "0 0 30 12", "aria-hidden": "true" }, button);
      element("line", { x1: 1, y1: 6, x2: 29, y2: 6, stroke: colours[series.run % 8], "stroke-width": 2, "stroke-dasharray": series.dashed ? "5 4" : "none" }, sample);
      marker(series, 15, 6, sample);
      html("span", series.name, button);
      button.onclick = () => {
        if (!hidden.delete(i)) hidden.add(i);
        button.setAttribute("aria-pressed", String(!hidden.has(i)));
        draw();
      };
    });

    const xOf = (series, i) => axis === "step" ? series.step[i] : series.seconds[i] === null ? null : series.seconds[i] / 60;
    const shown = () => chart.series.filter((_, i) => !hidden.has(i));
    const yOf = value => logarithmic ? Math.log10(value) : value;
    const usable = value => value !== null && (!logarithmic || value > 0);

    function extent() {
      let low = Infinity, high = -Infinity;
      for (const series of chart.series) {
        for (let i = 0; i < series.step.length; i++) {
          const x = xOf(series, i);
          if (x !== null) { low = Math.min(low, x); high = Math.max(high, x); }
        }
      }
      return low > high ? [0, 1] : low === high ? [low - 1, high + 1] : [low, high];
    }

    function setView(low, high) {
      const [first, last] = extent(), least = (last - first) / 2000;
      low = Math.max(low, first);
      high = Math.min(high, last);
      if (high - low < least) return;
      view = low <= first && high >= last ? null : [low, high];
      draw();
    }

    function draw() {
      const width = Math.max(280, figure.clientWidth - 28);
      svg.setAttribute("viewBox", "0 0 " + width + " " + height);
      svg.replaceChildren();
      tip.hidden = true;
      all.hidden = view === null;
      const [x0, x1] = view || extent();
      let low = Infinity, high = -Infinity;
      const reach = (from, to) => { low = Math.min(low, from); high = Math.max(high, to); };
      for (const series of shown()) {
        for (let i = 0; i < series.step.length; i++) {
          const x = xOf(series, i), value = series.value[i];
          if (x === null || !usable(value)) continue;
          const half = !logarithmic && series.halfWidth && series.halfWidth[i] || 0;
          if (x >= x0 && x <= x1) reach(yOf(value) - half, yOf(value) + half);
          // The line from the point before enters or leaves the view.
          const before = i > 0 && usable(series.value[i - 1]) ? xOf(series, i - 1) : null;
          for (const edge of before === null ? [] : [x0, x1].filter(one => before < one && one < x)) {
            const y = yOf(series.value[i - 1]) + (edge - before) / (x - before) * (yOf(value) - yOf(series.value[i - 1]));
            reach(y, y);
          }
        }
      }
      if (low > high) [low, high] = [0, 1];
      const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
      low -= room;
      high += room;
      if (chart.percent) { high = Math.min(high, 1.005); low = Math.max(low, -0.005); }
      const px = x => left + (x - x0) / (x1 - x0) * (width - left - right);
      const py = y => top + (high - y) / (high - low) * (height - top - bottom);
      const clip = "clip-" + figure.id;
      element("rect", { x: left, y: top - 5, width: width - left - right + 5, height: height - top - bottom + 10 }, element("clipPath", { id: clip }, element("defs", {}, svg)));
      for (const tick of logarithmic ? logTicks(low, high) : niceTicks(low, high, 5)) {
        element("line", { x1: left, x2: width - right, y1: py(tick.at), y2: py(tick.at), stroke: "#e9e7e0" }, svg);
        element("text", { x: left - 8, y: py(tick.at) + 4, "text-anchor": "end" }, svg).textContent = (logarithmic ? plain(tick.value) : tickText(tick, chart.percent)) + (chart.percent ? " %" : "");
      }
      for (const tick of niceTicks(x0, x1, Math.max(2, Math.floor(width / 130))).filter(one => axis !== "step" || one.step >= 1 || Number.isInteger(one.at))) {
        element("line", { x1: px(tick.at), x2: px(tick.at), y1: top, y2: height - bottom + 4, stroke: "#e9e7e0" }, svg);
        element("text", { x: px(tick.at), y: height - bottom + 18, "text-anchor": "middle" }, svg).textContent = axis === "step" ? String(Math.round(tick.at)) : tickText(tick, false);
      }
      element("path", { d: "M" + left + " " + top + "V" + (height - bottom) + "H" + (width - right), fill: "none", stroke: "#8a8f94" }, svg);
      element("text", { x: (left + width - right) / 2, y: height - 5, "text-anchor": "middle" }, svg).textContent = axis === "step" ? "meta-steps" : "minutes of training";
      const area = element("g", { "clip-path": "url(#" + clip + ")" }, svg);
      for (const series of shown()) drawSeries(series, area, px, py, x0, x1);
      frame = { x0, x1, px, py, width };
    }

    function drawSeries(series, area, px, py, x0, x1) {
      const colour = colours[series.run % 8];
      let line = "", pen = "M", upper = [], lower = [], inView = [];
      for (let i = 0; i < series.step.length; i++) {
        const x = xOf(series, i), value = series.value[i];
        if (x === null || !usable(value)) { pen = "M"; continue; }
        line += pen + px(x).toFixed(2) + " " + py(yOf(value)).toFixed(2);
        pen = "L";
        if (x >= x0 && x <= x1) inView.push([px(x), py(yOf(value))]);
        const half = series.halfWidth && series.halfWidth[i];
        if (half && (!logarithmic || value > half)) {
          upper.push(px(x).toFixed(2) + " " + py(yOf(value + half)).toFixed(2));
          lower.unshift(px(x).toFixed(2) + " " + py(yOf(value - half)).toFixed(2));
        }
      }
      if (upper.length > 1) element("path", { d: "M" + upper.concat(lower).join("L") + "Z", fill: colour, opacity: 0.13 }, area);
      element("path", { d: line, fill: "none", stroke: colour, "stroke-width": 1.8, "stroke-linejoin": "round", "stroke-dasharray": series.dashed ? "6 4" : "none" }, area);
      if (inView.length === 0) return;
      // Markers do not touch. Of long curves few points are marked, and not the same ones of each, so that they do not hide each other where curves meet.
      const many = inView.length > 60, apart = many ? 80 : 10, from = inView[0][0], to = inView[inView.length - 1][0];
      let next = many ? from + Math.min((to - from) / 2, apart * chart.series.indexOf(series) / chart.series.length) : from;
      for (const [x, y] of inView) {
        if (x < next) continue;
        marker(series, x, y, area);
        next = x + apart;
      }
    }

    function place(event) {
      const box = svg.getBoundingClientRect();
      return (event.clientX - box.left) * frame.width / box.width;
    }

    const dataOf = pixel => frame.x0 + (pixel - left) / (frame.width - left - right) * (frame.x1 - frame.x0);

    function hover(pixel) {
      svg.querySelectorAll(".hover").forEach(one => one.remove());
      tip.hidden = true;
      if (pixel < left - 8 || pixel > frame.width - right + 8) return;
      const wanted = dataOf(pixel);
      let nearest = null;
      for (const series of shown()) {
        for (let i = 0; i < series.step.length; i++) {
          const x = xOf(series, i);
          if (x === null || x < frame.x0 || x > frame.x1) continue;
          if (nearest === null || Math.abs(x - wanted) < Math.abs(nearest - wanted)) nearest = x;
        }
      }
      if (nearest === null) return;
      tip.replaceChildren();
      html("b", axis === "step" ? "meta-step " + nearest : plain(nearest) + " minutes", tip);
      const reach = (frame.x1 - frame.x0) / 60, group = element("g", { class: "hover" }, svg);
      element("line", { x1: frame.px(nearest), x2: frame.px(nearest), y1: top, y2: height - bottom, stroke: "#8a8f94", "stroke-dasharray": "2 3" }, group);
      for (const series of shown()) {
        let best = -1;
        for (let i = 0; i < series.step.length; i++) {
          const x = xOf(series, i);
          if (x !== null && (best < 0 || Math.abs(x - nearest) < Math.abs(xOf(series, best) - nearest))) best = i;
        }
        if (best < 0 || Math.abs(xOf(series, best) - nearest) > reach) continue;
        const value = series.value[best], half = series.halfWidth && series.halfWidth[best], scale = chart.percent ? 100 : 1;
        const number = one => chart.percent ? (scale * one).toFixed(2) : plain(one);
        const where = xOf(series, best) === nearest ? "" : axis === "step" ? " at " + series.step[best] : "";
        html("div", series.name + where + ": " + (value === null ? "not finite" : number(value) + (half ? " ± " + number(half) : "") + (chart.percent ? " %" : "")), tip);
        if (usable(value)) element("circle", { cx: frame.px(xOf(series, best)), cy: frame.py(yOf(value)), r: 5, fill: "none", stroke: colours[series.run % 8], "stroke-width": 2 }, group);
      }
      tip.hidden = false;
      const box = svg.getBoundingClientRect(), around = figure.getBoundingClientRect();
      const at = frame.px(nearest) * box.width / frame.width + box.left - around.left - figure.clientLeft;
      const onLeft = at > figure.clientWidth / 2;
      tip.style.left = onLeft ? "" : at + 14 + "px";
      tip.style.right = onLeft ? figure.clientWidth - at + 14 + "px" : "";
      tip.style.top = box.top - around.top + top + 6 + "px";
    }

    svg.addEventListener("pointerdown", event => {
      if (event.button !== 0) return;
      drag = place(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", event => {
      const now = place(event);
      svg.querySelectorAll(".choice").forEach(one => one.remove());
      if (drag === null || Math.abs(now - drag) < 5) { hover(now); return; }
      tip.hidden = true;
      const from = Math.max(left, Math.min(drag, now)), to = Math.min(frame.width - right, Math.max(drag, now));
      element("rect", { class: "choice", x: from, y: top, width: Math.max(0, to - from), height: height - top - bottom, fill: "#0072b2", opacity: 0.15 }, svg);
    });
    svg.addEventListener("pointerup", event => {
      const from = drag, to = place(event);
      drag = null;
      svg.querySelectorAll(".choice").forEach(one => one.remove());
      if (from !== null && Math.abs(to - from) >= 5) setView(dataOf(Math.min(from, to)), dataOf(Math.max(from, to)));
    });
    svg.addEventListener("pointercancel", () => { drag = null; draw(); });
    svg.addEventListener("pointerleave", () => { if (drag === null) hover(-100); });
    svg.addEventListener("dblclick", () => { view = null; draw(); });
    svg.addEventListener("keydown", event => {
      const [low, high] = [frame.x0, frame.x1], span = high - low, [first, last] = extent();
      const move = by => { const d = Math.max(first - low, Math.min(last - high, by)); setView(low + d, high + d); };
      switch (event.key) {
        case "+": case "=": setView(low + span / 4, high - span / 4); break;
        case "-": setView(low - span / 2, high + span / 2); break;
        case "0": case "Escape": view = null; draw(); break;
        case "ArrowLeft": move(-span / 5); break;
        case "ArrowRight": move(span / 5); break;
        default: return;
      }
      event.preventDefault();
    });
    draw();
    return { draw: draw, forgetView: () => { view = null; draw(); } };
  }

  document.querySelectorAll(".key").forEach(key => marker({ run: Number(key.dataset.run) }, 6, 6, element("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }, key)));
  charts.forEach((chart, i) => drawn.push(Chart(document.getElementById("chart-" + i), chart)));
  document.querySelectorAll("input[name=axis]").forEach(one => one.addEventListener("change", () => {
    axis = one.value;
    drawn.forEach(chart => chart.forgetView());
  }));
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) {
      width = window.innerWidth;
      drawn.forEach(chart => chart.draw());
    }
  });
})();
