'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);

// Elements are made from text, never from markup: names come from files.
function make(tag, attributes = {}, ...children) {
  const svg = ['svg', 'g', 'rect', 'circle', 'path', 'line', 'text', 'title'].includes(tag);
  const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function bytes(count) {
  let unit = 0;
  while (count >= 999.5 && unit < 4) { count /= 1000; unit += 1; }
  return `${unit === 0 ? count : count.toPrecision(3)} ${['B', 'kB', 'MB', 'GB', 'TB'][unit]}`;
}
const grouped = (count) => count.toLocaleString('en');
const significant = (value) => (value === 0 ? '0' : value.toPrecision(3));

// Tables.
function fillTable(table, columns, rows) {
  const body = make('tbody');
  for (const row of rows) {
    body.append(make('tr', {}, ...columns.map((column) => make('td', {class: column.text ? 'text' : ''}, column.cell(row)))));
  }
  table.querySelector('tbody')?.remove();
  table.append(body);
}

// A head whose cells sort: `state` has the column to sort by and whether backwards; `show` fills the table anew.
function sortingHead(columns, state, show) {
  const row = make('tr');
  const mark = () => row.querySelectorAll('th').forEach((th, i) =>
    th.setAttribute('aria-sort', columns[i] === state.by ? (state.backwards ? 'descending' : 'ascending') : 'none'));
  for (const column of columns) {
    const sort = () => {
      state.backwards = state.by === column && !state.backwards;
      state.by = column;
      mark();
      show();
    };
    row.append(make('th', {class: column.text ? 'text' : ''}, make('button', {type: 'button', onclick: sort}, column.name)));
  }
  mark();
  return make('thead', {}, row);
}

function inOrder(rows, state) {
  const sorted = [...rows];
  sorted.sort((x, y) => {
    const [a, b] = [state.by.key(x), state.by.key(y)];
    return (a < b ? -1 : a > b ? 1 : 0) * (state.backwards ? -1 : 1);
  });
  return sorted;
}

// The header.
const short = (name) => name.replace(/\/+$/, '').split('/').pop();
const tile = (name, value, more) =>
  byId('tiles').append(make('div', {}, make('dt', {}, name), make('dd', {}, value, make('small', {}, more))));

// A tooltip of our own: at once, and for the keyboard, too.
function showTip(text, box) {
  const tip = byId('tip');
  tip.textContent = text;
  tip.hidden = false;
  const left = Math.min(Math.max(8, box.left + box.width / 2 - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8);
  const above = box.top - tip.offsetHeight - 8;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
}
const hideTip = () => { byId('tip').hidden = true; };
function tipFor(node, text) {
  for (const event of ['mouseenter', 'focus']) node.addEventListener(event, () => showTip(text, node.getBoundingClientRect()));
  for (const event of ['mouseleave', 'blur']) node.addEventListener(event, hideTip);
}

