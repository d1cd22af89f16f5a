const numberText = (value) => (value === null ? 'no finite value' : significant(value));
const isCompared = (tensor) => tensor.problem === null;
const differs = (tensor) => isCompared(tensor) && !tensor.equal;

const measures = {
  sqnr_db: {name: 'signal to noise', text: (v) => `${v.toFixed(1)} dB`, worse: (v) => -v, least: 3,
            note: 'The nearer to the right end of the scale, the more is lost; 6 dB are one bit.'},
  relative: {name: 'relative error', text: significant, worse: (v) => Math.log(Math.max(v, 1e-12)), least: 0.7,
             note: 'RMS of the error over RMS of A, on a logarithmic scale.'},
  max_abs: {name: 'largest error', text: significant, worse: (v) => Math.log(Math.max(v, 1e-12)), least: 0.7,
            note: 'The largest difference of two weights, on a logarithmic scale.'},
};
const valueText = (tensor, measure) => {
  if (!isCompared(tensor)) return tensor.problem;
  if (tensor.equal) return 'equal';
  return tensor[measure] === null ? 'no finite value' : measures[measure].text(tensor[measure]);
};

// Errors of several tensors together: their squares add up. Null when all are equal, -Infinity when one is no number.
function togetherDb(tensors) {
  let signal = 0;
  let error = 0;
  for (const tensor of tensors) {
    if (!differs(tensor)) continue;
    if (tensor.sqnr_db === null) return -Infinity;
    const e = tensor.rmse ** 2 * tensor.elements;
    error += e;
    signal += e * 10 ** (tensor.sqnr_db / 10);
  }
  return error > 0 ? 10 * Math.log10(signal / error) : null;
}

const togetherText = (db, whenEqual) =>
  db === null ? whenEqual : Number.isFinite(db) ? `${db.toFixed(1)} dB` : 'no finite value';

function showHeader() {
  byId('title').append(short(data.a.name), make('span', {class: 'versus'}, ' against '), short(data.b.name));
  document.title = `${short(data.b.name)} - qtz compare`;
  const bits = (model) => `${model.bits_per_weight.toFixed(2)} bits per weight`;
  tile('A', bytes(data.a.tensor_bytes), bits(data.a));
  tile('B', bytes(data.b.tensor_bytes), bits(data.b));
  if (data.b.tensor_bytes > 0) {
    tile('A to B', `${(data.a.tensor_bytes / data.b.tensor_bytes).toFixed(2)}×`, 'in size');
  }
  tile('Signal to noise', togetherText(togetherDb(data.tensors), 'equal'), 'of all tensors that differ');
  const equal = data.tensors.filter((tensor) => tensor.equal).length;
  tile('Equal tensors', `${equal} of ${data.tensors.length}`, 'to the last bit');
  const lists = [
    ['Tensors only in A', data.only_a], ['Tensors only in B', data.only_b],
    ['Metadata only in A', data.keys.only_a], ['Metadata only in B', data.keys.only_b],
    ['Metadata that differs', data.keys.different],
  ];
  for (const [name, list] of lists) {
    if (list.length === 0) continue;
    byId('differences').append(
      make('details', {}, make('summary', {}, `${name}: ${list.length}`), make('code', {}, list.join(', '))));
  }
}

// The heat map.
function rampColor(share) {
  const style = getComputedStyle(document.documentElement);
  const stops = [0, 1, 2, 3, 4].map((i) => style.getPropertyValue(`--seq-${i}`).trim());
  const at = Math.min(Math.max(share, 0), 1) * 4;
  const low = Math.min(3, Math.floor(at));
  const part = (hex, k) => parseInt(hex.slice(1 + 2 * k, 3 + 2 * k), 16);
  const mixed = [0, 1, 2].map((k) => Math.round(part(stops[low], k) + (part(stops[low + 1], k) - part(stops[low], k)) * (at - low)));
  return `rgb(${mixed.join(' ')})`;
}

function cellOf(tensor, measure, range, tag = 'button') {
  const attributes = {class: 'cell'};
  const text = `${tensor.name}\n${measures[measure].name}: ${valueText(tensor, measure)}\n${tensor.a_type} to ${tensor.b_type}`;
  if (!isCompared(tensor) || (differs(tensor) && tensor[measure] === null)) attributes.class += ' bad';
  else if (tensor.equal) attributes.class += ' equal';
  else attributes.style = `background:${rampColor(range.share(tensor[measure]))}`;
  if (tag === 'button') {
    Object.assign(attributes, {type: 'button', 'aria-label': text.replaceAll('\n', ', '), onclick: () => open(tensor)});
  }
  const cell = make(tag, attributes);
  if (tag === 'button') tipFor(cell, text);
  return cell;
}

function rangeOf(measure) {
  const worse = measures[measure].worse;
  const values = data.tensors.filter((t) => differs(t) && t[measure] !== null).map((t) => t[measure]);
  values.sort((a, b) => worse(a) - worse(b));
  const best = values[0];
  const worst = values[values.length - 1];
  const span = values.length > 0 ? worse(worst) - worse(best) : 0;
  // Tensors that are nearly alike shall look so.
  const scale = Math.max(span, measures[measure].least);
  return {best, worst, share: (value) => 0.5 + (worse(value) - worse(best) - span / 2) / scale};
}

function showMap() {
  const measure = byId('measure').value;
  const range = rangeOf(measure);
  byId('map-note').textContent = measures[measure].note;
  const inLayers = data.tensors.filter((tensor) => tensor.layer !== null);
  const layers = [...new Set(inLayers.map((tensor) => tensor.layer))].sort((a, b) => a - b);
  const roles = [...new Set(inLayers.map((tensor) => tensor.role))];
  const at = new Map(inLayers.map((tensor) => [`${tensor.layer} ${tensor.role}`, tensor]));
  const map = byId('map');
  map.replaceChildren();
  map.style.gridTemplateColumns = `max-content repeat(${Math.max(1, layers.length)}, minmax(16px, 1fr))`;
  if (layers.length > 0) {
    map.append(make('span', {class: 'role'}, 'layer'));
    const every = Math.ceil(layers.length / 32);
    for (const layer of layers) map.append(make('span', {class: 'layer'}, layer % every === 0 ? String(layer) : ''));
  }
  for (const role of roles) {
    map.append(make('span', {class: 'role'}, role));
    for (const layer of layers) {
      const tensor = at.get(`${layer} ${role}`);
      map.append(tensor ? cellOf(tensor, measure, range) : make('span'));
    }
  }
  const scale = byId('map-scale');
  scale.replaceChildren();
  if (range.best !== undefined) {
    scale.append(measures[measure].text(range.best), make('span', {class: 'ramp'}), measures[measure].text(range.worst));
  }
  if (data.tensors.some((tensor) => tensor.equal)) scale.append(make('span', {class: 'swatch cell equal'}), 'equal');
  if (data.tensors.some((tensor) => !isCompared(tensor) || (differs(tensor) && tensor[measure] === null))) {
    scale.append(make('span', {class: 'swatch cell bad'}), 'not compared, or no finite value');
  }
  const others = byId('others');
  others.replaceChildren();
  for (const tensor of data.tensors.filter((t) => t.layer === null)) {
    others.append(make('button', {type: 'button', onclick: () => open(tensor)},
      cellOf(tensor, measure, range, 'span'), `${tensor.role}: ${valueText(tensor, measure)}`));
  }
}

// Sizes.
const typeColors = ['#1f5fbf', '#b8561a', '#14806b', '#7a4bb5', '#a83258', '#5c6b1f', '#2f7f9e', '#8a5a2b', '#5b6470', '#a02c2c'];
function showSizes() {
  const types = [...new Set(['a', 'b'].flatMap((side) => Object.keys(data[side].bytes_by_type)))];
  const color = (type) => typeColors[types.indexOf(type) % typeColors.length];
  const total = Math.max(1, data.a.tensor_bytes, data.b.tensor_bytes);
  for (const side of ['a', 'b']) {
    const sorted = Object.entries(data[side].bytes_by_type).sort((x, y) => y[1] - x[1]);
    const bar = make('div', {class: 'bar', role: 'img',
      'aria-label': sorted.map(([type, size]) => `${type} ${bytes(size)}`).join(', ')});
    for (const [type, size] of sorted) {
      const share = (100 * size) / total;
      const piece = make('span', {style: `width:${share}%;background:${color(type)}`}, share > 14 ? `${type} ${bytes(size)}` : share > 6 ? type : '');
      tipFor(piece, `${type}: ${bytes(size)}`);
      bar.append(piece);
    }
    byId('sizes').append(make('div', {class: 'bar-row'}, make('b', {}, side.toUpperCase()), bar, bytes(data[side].tensor_bytes)));
  }
  const legend = make('div', {class: 'legend'});
  for (const type of types) {
    legend.append(make('span', {}, make('i', {style: `background:${color(type)}`}), type));
  }
  byId('sizes').append(legend);
}

function showRoles() {
  const rows = [...new Set(data.tensors.map((tensor) => tensor.role))].map((role) => {
    const tensors = data.tensors.filter((tensor) => tensor.role === role);
    const sum = (key) => tensors.reduce((total, tensor) => total + tensor[key], 0);
    return {role, tensors, elements: sum('elements'), a: sum('a_bytes'), b: sum('b_bytes'), db: togetherDb(tensors)};
  });
  rows.sort((x, y) => (x.db ?? Infinity) - (y.db ?? Infinity));
  const types = (row, side) => [...new Set(row.tensors.map((tensor) => tensor[`${side}_type`]))].join(' ');
  const columns = [
    {name: 'role', cell: (row) => row.role},
    {name: 'tensors', cell: (row) => String(row.tensors.length)},
    {name: 'weights', cell: (row) => grouped(row.elements)},
    {name: 'A', text: true, cell: (row) => types(row, 'a')},
    {name: 'B', text: true, cell: (row) => types(row, 'b')},
    {name: 'A size', cell: (row) => bytes(row.a)},
    {name: 'B size', cell: (row) => bytes(row.b)},
    {name: 'signal to noise', cell: (row) => togetherText(row.db, '-')},
  ];
  byId('roles').append(make('thead', {}, make('tr', {}, ...columns.map((c) => make('th', {class: c.text ? 'text' : ''}, c.name)))));
  fillTable(byId('roles'), columns, rows);
}

const badness = (tensor) => (!isCompared(tensor) ? -Infinity : tensor.equal ? Infinity : tensor.sqnr_db ?? -Infinity);
const tensorColumns = [
  {name: 'tensor', key: (t) => t.name, cell: (t) => make('button', {type: 'button', onclick: () => open(t)}, t.name)},
  {name: 'A', text: true, key: (t) => t.a_type, cell: (t) => t.a_type},
  {name: 'B', text: true, key: (t) => t.b_type, cell: (t) => t.b_type},
  {name: 'weights', key: (t) => -t.elements, cell: (t) => grouped(t.elements)},
  {name: 'signal to noise', key: badness, cell: (t) => valueText(t, 'sqnr_db')},
  {name: 'relative error', key: (t) => -(t.relative ?? Infinity), cell: (t) => (differs(t) ? valueText(t, 'relative') : '-')},
  {name: 'largest error', key: (t) => -(t.max_abs ?? Infinity), cell: (t) => (differs(t) ? valueText(t, 'max_abs') : '-')},
];
const table = {by: tensorColumns[4], backwards: false, shown: 40};
function showTensors() {
  const find = byId('find').value.toLowerCase();
  const rows = inOrder(data.tensors.filter((tensor) => tensor.name.toLowerCase().includes(find)), table);
  fillTable(byId('tensors'), tensorColumns, rows.slice(0, table.shown));
  byId('more').hidden = rows.length <= table.shown;
  byId('more').textContent = `Show all ${rows.length}`;
}
function setUpTensors() {
  byId('tensors').append(sortingHead(tensorColumns, table, showTensors));
  byId('find').addEventListener('input', showTensors);
  byId('more').addEventListener('click', () => { table.shown = Infinity; showTensors(); });
}

// One tensor.
function histogramOf({limit, a, b}) {
  const [width, height, low] = [700, 190, 165];
  const most = Math.max(1, ...a, ...b);
  const step = width / a.length;
  const y = (count) => low - (low - 8) * (count / most);
  const svg = make('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': `weights between ${significant(-limit)} and ${significant(limit)}`});
  a.forEach((count, i) => {
    if (count > 0) svg.append(make('rect', {class: 'a', x: i * step + 0.5, y: y(count), width: step - 1, height: low - y(count)}));
  });
  const path = b.map((count, i) => `${i === 0 ? 'M' : 'L'}${i * step} ${y(count)}H${(i + 1) * step}`).join('');
  svg.append(make('path', {class: 'b', d: path}), make('line', {class: 'axis', x1: 0, x2: width, y1: low, y2: low}));
  for (const [share, anchor] of [[0, 'start'], [0.25, 'middle'], [0.5, 'middle'], [0.75, 'middle'], [1, 'end']]) {
    svg.append(make('text', {x: share * width, y: low + 16, 'text-anchor': anchor}, significant((2 * share - 1) * limit)));
  }
  return svg;
}

function codesOf(codes) {
  const first = codes[0][0];
  const last = codes[codes.length - 1][0];
  const [width, height, low] = [700, 170, 145];
  const step = width / (last - first + 1);
  const most = Math.max(...codes.map(([, count]) => count));
  const svg = make('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `codes ${first} to ${last}`});
  for (const [code, count] of codes) {
    const tall = (low - 8) * (count / most);
    const gap = step > 6 ? 2 : 0.5;
    svg.append(make('rect', {class: 'code', x: (code - first) * step + gap / 2, y: low - tall, width: Math.max(0.5, step - gap), height: tall},
      make('title', {}, `${code}: ${grouped(count)}`)));
  }
  svg.append(make('line', {class: 'axis', x1: 0, x2: width, y1: low, y2: low}));
  const every = Math.max(1, Math.ceil((last - first + 1) / 16));
  for (let code = first; code <= last; code += every) {
    svg.append(make('text', {x: (code - first + 0.5) * step, y: low + 16, 'text-anchor': 'middle'}, String(code)));
  }
  return svg;
}

function open(tensor) {
  byId('detail-name').textContent = tensor.name;
  const body = byId('detail-body');
  body.replaceChildren(make('p', {class: 'note'},
    `[${tensor.shape.join(', ')}], ${tensor.a_type} ${bytes(tensor.a_bytes)} against ${tensor.b_type} ${bytes(tensor.b_bytes)}`));
  if (tensor.histogram) {
    body.append(make('h3', {}, 'Weights'), histogramOf(tensor.histogram),
      make('div', {class: 'legend'}, make('span', {}, make('i', {style: 'background:var(--a);opacity:.45'}), 'A'),
        make('span', {}, make('i', {style: 'background:var(--b)'}), 'B')));
    if (tensor.histogram.b_codes.length > 0) {
      body.append(make('h3', {}, `Codes of B (${tensor.b_type})`), codesOf(tensor.histogram.b_codes));
    }
  }
  const rows = [['signal to noise', valueText(tensor, 'sqnr_db')]];
  if (differs(tensor)) {
    rows.push(['relative error', valueText(tensor, 'relative')], ['RMS error', numberText(tensor.rmse)],
      ['largest error', valueText(tensor, 'max_abs')], ['cosine', tensor.cosine.toFixed(7)]);
    if (tensor.nonfinite > 0) rows.push(['NaN or infinite on one side', grouped(tensor.nonfinite)]);
  }
  body.append(make('table', {}, make('tbody', {}, ...rows.map(([name, value]) => make('tr', {}, make('td', {}, name), make('td', {}, value))))));
  if (!byId('detail').open) byId('detail').showModal();
  history.replaceState(null, '', `#tensor=${encodeURIComponent(tensor.name)}`);
}

showHeader();
showMap();
showSizes();
showRoles();
setUpTensors();
showTensors();
byId('measure').addEventListener('change', showMap);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showMap);
byId('detail').addEventListener('close', () => history.replaceState(null, '', location.pathname + location.search));
const openFromAddress = () => {
  const wanted = /^#tensor=(.*)$/.exec(location.hash);
  const tensor = wanted && data.tensors.find((each) => each.name === decodeURIComponent(wanted[1]));
  if (tensor) open(tensor);
};
addEventListener('hashchange', openFromAddress);
openFromAddress();
