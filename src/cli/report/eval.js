const models = [...data.models].sort((x, y) => x.bytes - y.bytes);
const hasReference = data.reference !== undefined;
models.forEach((model, i) => {
  model.color = `var(--c${i % 8})`;
  model.line = ['solid', 'dashed', 'dotted'][Math.floor(i / 8) % 3];
});
const dashes = {solid: '', dashed: '7 4', dotted: '2 3'};
const percent = (share, digits = 2) => `${(100 * share).toFixed(digits)} %`;

// "Q4_K_M" of "Qwen3-4B-Q4_K_M.gguf", where the others begin with "Qwen3-4B-", too. Cut at separators only.
function shortLabels(names) {
  const bare = names.map((name) => short(name).replace(/\.(gguf|safetensors)$/i, ''));
  let shared = bare.length > 1 ? bare[0] : '';
  for (const name of bare) while (!name.startsWith(shared)) shared = shared.slice(0, -1);
  const cut = Math.max(...['-', '.', '_', ' '].map((mark) => shared.lastIndexOf(mark))) + 1;
  const labels = bare.map((name) => name.slice(cut) || name);
  const whole = (label) => (label.length > 26 ? `${label.slice(0, 12)}…${label.slice(-13)}` : label);
  return labels.map(whole);
}
shortLabels(models.map((model) => model.model)).forEach((label, i) => { models[i].label = label; });

// As many digits as the error allows, two of its own.
function withError({value, error}, factor = 1, least = 2) {
  const digits = error > 0 ? Math.min(8, Math.max(least, 1 - Math.floor(Math.log10(error * factor)))) : least;
  return [(value * factor).toFixed(digits).replace(/^-(0\.?0*)$/, '$1'), make('small', {}, ` ± ${(error * factor).toFixed(digits)}`)];
}
const cellWithError = (estimate, factor, least) => make('span', {}, ...withError(estimate, factor, least));
const plainError = (estimate, factor = 1) => `${significant(estimate.value * factor)} ± ${significant(estimate.error * factor)}`;

function showHeader() {
  const one = models.length === 1;
  byId('title').append(one ? short(models[0].model) : `${models.length} models`,
    make('span', {class: 'versus'}, hasReference ? ' against ' : ' on '), hasReference ? short(data.reference.model) : short(data.data));
  document.title = `${one ? short(models[0].model) : `${models.length} models`} - qtz eval`;
  tile('Text', short(data.data), `${grouped(data.windows)} windows of ${grouped(data.context)} tokens`);
  tile('Predictions', grouped(data.scored), 'scored');
  if (hasReference) {
    tile('Reference', data.reference.perplexity.value.toFixed(3), `± ${significant(data.reference.perplexity.error)} perplexity`);
    const best = models.reduce((x, y) => (x.kld.mean.value <= y.kld.mean.value ? x : y));
    tile('Least divergence', significant(best.kld.mean.value), best.label);
  } else {
    const best = models.reduce((x, y) => (x.perplexity.value <= y.perplexity.value ? x : y));
    tile('Least perplexity', best.perplexity.value.toFixed(3), best.label);
  }
  tile('Smallest', bytes(models[0].bytes), models[0].label);
}

// Tables.
function nameCell(model) {
  const cell = make('span', {}, make('i', {style: `background:${model.color}`}), model.label);
  cell.title = model.model;
  return cell;
}
const nameColumn = {name: 'model', key: (m) => m.label, cell: nameCell};
const columns = [
  nameColumn,
  {name: 'size', key: (m) => m.bytes, cell: (m) => bytes(m.bytes)},
  {name: 'bits per weight', key: (m) => m.bits_per_weight, cell: (m) => m.bits_per_weight.toFixed(2)},
  {name: 'perplexity', key: (m) => m.perplexity.value, cell: (m) => cellWithError(m.perplexity, 1, 3)},
];
if (hasReference) {
  columns.push(
    {name: 'ratio', key: (m) => m.kld.perplexity_ratio.value, cell: (m) => cellWithError(m.kld.perplexity_ratio, 1, 4)},
    {name: 'mean KLD', key: (m) => m.kld.mean.value, cell: (m) => cellWithError(m.kld.mean, 1, 4)},
    {name: 'median', key: (m) => m.kld.median.value, cell: (m) => cellWithError(m.kld.median, 1, 4)},
    {name: '99 %', key: (m) => m.kld.percentile_99.value, cell: (m) => cellWithError(m.kld.percentile_99, 1, 3)},
    {name: 'maximum', key: (m) => m.kld.maximum, cell: (m) => significant(m.kld.maximum)},
    {name: 'same top, %', key: (m) => m.kld.same_top.value, cell: (m) => cellWithError(m.kld.same_top, 100, 2)});
}
const order = {by: columns[1], backwards: false};
function showModels() {
  fillTable(byId('models'), columns, inOrder(models, order));
}

function showPercentiles() {
  const of = (name, key) => ({name, cell: (m) => cellWithError(m.kld[key], 1, 5)});
  const parts = [nameColumn, of('mean', 'mean'), of('median', 'median'), of('90 %', 'percentile_90'), of('95 %', 'percentile_95'),
    of('99 %', 'percentile_99'), of('99.9 %', 'percentile_99_9'), {name: 'maximum', cell: (m) => significant(m.kld.maximum)}];
  fill(byId('percentiles'), parts);
  const change = (name, key) => ({name, cell: (m) => cellWithError(m.kld.probability_change[key], 100, 2)});
  fill(byId('changes'), [nameColumn, change('mean', 'mean'), change('RMS', 'rms'), change('1 %', 'percentile_1'),
    change('5 %', 'percentile_5'), change('25 %', 'percentile_25'), change('median', 'median'), change('75 %', 'percentile_75'),
    change('95 %', 'percentile_95'), change('99 %', 'percentile_99')]);
}
function fill(table, parts) {
  table.append(make('thead', {}, make('tr', {}, ...parts.map((part) => make('th', {}, part.name)))));
  fillTable(table, parts, models);
}

// Scales. A logarithmic one cannot hold what is not positive: that is drawn on its lower edge.
function linearScale(low, high, from, to) {
  const spread = high - low || Math.abs(high) || 1;
  const [first, last] = [low - 0.06 * spread, high + 0.06 * spread];
  const step = niceStep((last - first) / Math.max(2, Math.round(Math.abs(to - from) / 90)));
  const ticks = [];
  for (let tick = Math.ceil(first / step) * step; tick <= last; tick += step) ticks.push(tick);
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return {at: (value) => from + ((value - first) / (last - first)) * (to - from), ticks, text: (tick) => tick.toFixed(digits)};
}
function niceStep(rough) {
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((k) => k * power).find((step) => step >= rough * 0.999);
}
function logScale(low, high, from, to) {
  const [first, last] = [Math.log10(low) - 0.08, Math.log10(high) + 0.12];
  const at = (value) => (value > 0 ? from + ((Math.max(Math.log10(value), first) - first) / (last - first)) * (to - from) : from);
  const decade = Math.abs(to - from) / (last - first);  // pixels
  const ticks = [];
  for (let power = Math.floor(first); power <= Math.ceil(last); power += 1) {
    for (const k of decade > 110 ? [1, 2, 5] : decade > 55 ? [1, 3] : [1]) {
      const tick = k * 10 ** power;
      if (Math.log10(tick) >= first && Math.log10(tick) <= last) ticks.push(tick);
    }
  }
  const text = (tick) => (tick >= 1e-4 && tick < 1e5 ? String(Number(tick.toPrecision(2))) : tick.toExponential(0));
  return {at, ticks, text};
}

function frame(width, height, margin, name) {
  const svg = make('svg', {viewBox: `0 0 ${width} ${height}`, height, role: 'img', 'aria-label': name});
  const grid = make('g');
  svg.append(grid);
  const sides = {
    x: (scale, title) => {
      for (const tick of scale.ticks) {
        const x = scale.at(tick);
        grid.append(make('line', {class: 'grid', x1: x, x2: x, y1: margin.top, y2: height - margin.bottom}),
          make('text', {x, y: height - margin.bottom + 16, 'text-anchor': 'middle'}, scale.text(tick)));
      }
      svg.append(make('text', {class: 'name', x: width - margin.right, y: height - 4, 'text-anchor': 'end'}, title));
    },
    y: (scale, title) => {
      for (const tick of scale.ticks) {
        const y = scale.at(tick);
        grid.append(make('line', {class: 'grid', x1: margin.left, x2: width - margin.right, y1: y, y2: y}),
          make('text', {x: margin.left - 6, y: y + 4, 'text-anchor': 'end'}, scale.text(tick)));
      }
      svg.append(make('text', {class: 'name', x: 0, y: 12}, title));
    },
  };
  return {svg, ...sides};
}

// Size against loss.
const measures = {
  mean: {name: 'mean KLD', of: (m) => m.kld.mean, log: true},
  median: {name: 'median KLD', of: (m) => m.kld.median, log: true},
  percentile_99: {name: '99 % KLD', of: (m) => m.kld.percentile_99, log: true},
  same_top: {name: 'other top, %', of: (m) => ({value: 100 * (1 - m.kld.same_top.value), error: 100 * m.kld.same_top.error}), log: true},
  ratio: {name: 'perplexity ratio', of: (m) => m.kld.perplexity_ratio, log: false},
  perplexity: {name: 'perplexity', of: (m) => m.perplexity, log: false},
};
const offered = hasReference ? Object.keys(measures) : ['perplexity'];

// Places for the labels: right of the point if there is room, else around it, ever farther; a line leads to the far ones.
function placeLabels(points, area, svg) {
  const taken = points.map(({x, y}) => ({left: x - 7, right: x + 7, top: y - 7, bottom: y + 7}));
  const free = (box) => box.left >= area.left && box.right <= area.right && box.top >= area.top && box.bottom <= area.bottom &&
    taken.every((other) => box.right < other.left || box.left > other.right || box.bottom < other.top || box.top > other.bottom);
  for (const point of points) {
    const node = make('text', {class: 'label'}, point.label);
    svg.append(node);
    const width = node.getComputedTextLength();
    const boxAt = (dx, dy) => {
      const left = dx > 0 ? point.x + dx : dx < 0 ? point.x + dx - width : point.x - width / 2;
      return {left, right: left + width, top: point.y + dy - 7, bottom: point.y + dy + 7};
    };
    const tries = [[10, 0], [-10, 0], [0, -16], [0, 16], [10, -12], [10, 12], [-10, -12], [-10, 12]];
    for (let far = 22; far < 130; far += 9) tries.push([14, -far], [14, far], [-14, -far], [-14, far], [0, -far], [0, far]);
    const found = tries.map(([dx, dy]) => ({box: boxAt(dx, dy), dx, dy})).find(({box}) => free(box));
    if (!found) {
      node.remove();
      continue;
    }
    const {box, dx, dy} = found;
    taken.push(box);
    node.setAttribute('x', box.left);
    node.setAttribute('y', point.y + dy + 4);
    if (Math.abs(dy) > 17) {
      const edge = dx > 0 ? box.left - 2 : dx < 0 ? box.right + 2 : point.x;
      svg.append(make('line', {class: 'leader', x1: point.x, y1: point.y, x2: edge, y2: dx === 0 ? (dy > 0 ? box.top : box.bottom) : point.y + dy}));
    }
  }
}

function showPlot() {
  const measure = measures[byId('measure').value];
  const box = byId('plot');
  const width = Math.max(280, box.clientWidth);
  const height = Math.round(Math.min(460, Math.max(300, width * 0.45)));
  const margin = {left: 58, right: 16, top: 24, bottom: 40};
  const estimates = models.map((model) => measure.of(model));
  const positive = estimates.map(({value}) => value).filter((value) => value > 0);
  const useLog = measure.log && positive.length > 0;
  const ends = estimates.flatMap(({value, error}) => [value - error, value + error]);
  const low = useLog ? Math.min(...positive, ...ends.filter((end) => end > Math.min(...positive) / 3)) : Math.min(...ends);
  const y = (useLog ? logScale : linearScale)(low, Math.max(...ends), height - margin.bottom, margin.top);
  const sizes = models.map((model) => model.bits_per_weight);
  const wide = Math.max(...sizes) > 12 * Math.min(...sizes);
  const x = (wide ? logScale : linearScale)(Math.min(...sizes), Math.max(...sizes), margin.left, width - margin.right);
  const plot = frame(width, height, margin, `${measure.name} against bits per weight`);
  plot.x(x, 'bits per weight');
  plot.y(y, measure.name);
  box.replaceChildren(plot.svg);
  byId('plot-note').textContent = `Bars are standard errors${useLog ? '; the vertical scale is logarithmic' : ''}. Nearer to the lower left corner is better.`;
  const points = models.map((model, i) => ({model, label: model.label, estimate: estimates[i], x: x.at(sizes[i]), y: y.at(estimates[i].value)}));
  for (const {model, estimate, x: px, y: py} of points) {
    const [top, bottom] = [y.at(estimate.value + estimate.error), y.at(estimate.value - estimate.error)];
    plot.svg.append(make('path', {class: 'bar', stroke: model.color, d: `M${px} ${top}V${bottom}M${px - 4} ${top}h8M${px - 4} ${bottom}h8`}));
    const text = `${model.model}\n${bytes(model.bytes)}, ${model.bits_per_weight.toFixed(2)} bits per weight\n${measure.name}: ${plainError(estimate)}`;
    const dot = make('circle', {cx: px, cy: py, r: 5, fill: model.color, tabindex: 0, role: 'img', 'aria-label': text.replaceAll('\n', ', ')});
    tipFor(dot, text);
    plot.svg.append(dot);
  }
  placeLabels(points, {left: margin.left, right: width - 2, top: 16, bottom: height - margin.bottom}, plot.svg);
}

// The spread: shares are shown by how few tokens are above them, so that the rare ones have room.
function showSpread() {
  const box = byId('spread');
  const width = Math.max(280, box.clientWidth);
  const height = Math.round(Math.min(420, Math.max(280, width * 0.4)));
  const margin = {left: 58, right: 16, top: 24, bottom: 40};
  const curves = models.map((model) => model.kld.distribution);
  const values = curves.flatMap((curve) => curve.map(([, value]) => value)).filter((value) => value > 0);
  if (values.length === 0) {
    box.replaceChildren(make('p', {class: 'note'}, 'All predictions are the same.'));
    return;
  }
  const shares = curves[0].map(([share]) => share);
  const depth = (share) => -Math.log10(1 - Math.min(share, 1 - 0.5 / data.scored));
  const deepest = depth(1);
  const across = (share) => margin.left + (depth(share) / deepest) * (width - margin.left - margin.right);
  const roomFor = (share, i, all) => [1, ...all.slice(0, i)].every((other) => Math.abs(across(other) - across(share)) > 44);
  const marks = [0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.1].filter((share) => depth(share) < deepest).filter(roomFor);
  const named = (share) => `${Number((100 * share).toPrecision(6))} %`;
  const y = logScale(Math.max(Math.min(...values), Math.max(...values) * 1e-7), Math.max(...values), height - margin.bottom, margin.top);
  const plot = frame(width, height, margin, 'divergence by share of tokens');
  plot.x({ticks: [...marks, 1], at: across, text: (share) => (share === 1 ? 'max' : named(share))}, 'share of tokens below');
  plot.y(y, 'KLD');
  const cursor = make('line', {class: 'cursor', y1: margin.top, y2: height - margin.bottom, visibility: 'hidden'});
  plot.svg.append(cursor);
  for (const model of models) {
    const path = model.kld.distribution.map(([share, value], i) => `${i === 0 ? 'M' : 'L'}${across(share).toFixed(1)} ${y.at(value).toFixed(1)}`);
    plot.svg.append(make('path', {class: 'curve', stroke: model.color, 'stroke-dasharray': dashes[model.line], d: path.join('')}));
  }
  plot.svg.addEventListener('pointermove', (event) => {
    const frameBox = plot.svg.getBoundingClientRect();
    const at = ((event.clientX - frameBox.left) / frameBox.width) * width;
    const nearest = shares.reduce((best, share, i) => (Math.abs(across(share) - at) < Math.abs(across(shares[best]) - at) ? i : best), 0);
    const px = across(shares[nearest]);
    cursor.setAttribute('x1', px);
    cursor.setAttribute('x2', px);
    cursor.setAttribute('visibility', 'visible');
    const rows = models.map((model) => [model.label, model.kld.distribution[nearest][1]]).sort((a, b) => b[1] - a[1]);
    const left = frameBox.left + (px / width) * frameBox.width;
    showTip(`${shares[nearest] === 1 ? 'the largest' : `${named(shares[nearest])} of the tokens are below`}\n` +
      rows.map(([label, value]) => `${label}: ${significant(value)}`).join('\n'), {left, width: 0, top: frameBox.top, bottom: frameBox.top + 20});
  });
  plot.svg.addEventListener('pointerleave', () => { cursor.setAttribute('visibility', 'hidden'); hideTip(); });
  box.replaceChildren(plot.svg);
  byId('spread-legend').replaceChildren(...models.map((model) =>
    make('span', {}, make('i', {class: 'line', style: `border-top: 3px ${model.line} ${model.color}`}), model.label)));
}

// Predictions.
function showWorst() {
  const model = models[byId('worst-of').value];
  const parts = [
    {name: 'KLD', cell: (row) => row.kld.toFixed(3)},
    {name: 'in its place', text: true, cell: (row) => make('span', {}, row.before, make('mark', {}, row.text))},
    {name: 'would have said', text: true, cell: (row) => make('code', {}, row.guessed_text)},
    {name: 'reference', cell: (row) => percent(row.probability_reference)},
    {name: 'candidate', cell: (row) => percent(row.probability)},
  ];
  byId('worst').replaceChildren(make('thead', {}, make('tr', {}, ...parts.map((part) => make('th', {class: part.text ? 'text' : ''}, part.name)))));
  fillTable(byId('worst'), parts, model.kld.worst);
  for (const row of byId('worst').querySelectorAll('tbody tr')) row.children[1].classList.add('words');
}

showHeader();
byId('models').append(sortingHead(columns, order, showModels));
showModels();
byId('models-note').textContent = hasReference
  ? `Reference: ${data.reference.model}. KLD is the Kullback-Leibler divergence of a model's predictions from the reference's, in nats; ± is one standard error.`
  : '± is one standard error.';
byId('measure').append(...offered.map((key) => make('option', {value: key}, measures[key].name)));
byId('measure').addEventListener('change', showPlot);
const drawings = models.length > 1 ? [showPlot] : [];
if (models.length === 1) document.querySelector('[aria-labelledby="h-plot"]').hidden = true;
if (hasReference) {
  showPercentiles();
  drawings.push(showSpread);
  byId('worst-of').append(...models.map((model, i) => make('option', {value: i}, model.label)));
  byId('worst-of').addEventListener('change', showWorst);
  showWorst();
} else {
  document.querySelectorAll('.of-reference').forEach((section) => { section.hidden = true; });
}
const draw = () => drawings.forEach((drawing) => drawing());
let drawnAt = innerWidth;
addEventListener('resize', () => {
  if (innerWidth === drawnAt) return;
  drawnAt = innerWidth;
  draw();
});
draw();
