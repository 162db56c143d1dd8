'use strict';
(() => {
  const page = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- maps: one is visible at a time, by the URL ---
  const maps = new Map(all('.map').map(map => [map.id, map]));
  const whole = document.querySelector('.map.whole');
  const news = document.getElementById('news');
  let shown = null;

  const tilesOf = map => all('.tiles li > :first-child', map);
  const isVisible = tile => tile.checkVisibility
    ? tile.checkVisibility({ visibilityProperty: true, checkVisibilityCSS: true })
    : tile.offsetParent !== null;

  // One tab stop; the arrow keys move between tiles.
  const makeTabStop = tile => {
    for (const other of tilesOf(shown)) other.tabIndex = -1;
    tile.tabIndex = 0;
  };

  const show = (map, { focus = false } = {}) => {
    const before = shown;
    if (!map || map === before) return;
    hideTip();
    before?.classList.remove('shown');
    map.classList.add('shown');
    map.classList.toggle('entered', Boolean(before));  // the animation is for navigation, not for the first map
    shown = map;
    const tiles = tilesOf(map);
    const cameFrom = before && tiles.find(tile => tile.hash === `#${before.id}`);
    const start = cameFrom || tiles[0];
    if (start) makeTabStop(start);
    if (before) news.textContent = `${map.getAttribute('aria-label')}, ${map.querySelector('.facts').textContent}`;
    if (focus) start?.focus({ preventScroll: true });
  };

  const go = (id, options) => {
    if (shown.id === id) return;
    history.pushState(null, '', `#${id}`);
    show(maps.get(id), options);
  };
  const fromAddress = () => maps.get(location.hash.slice(1));

  const up = options => {
    const way = all('.way a', shown);
    if (way.length) go(way[way.length - 1].hash.slice(1), options);
  };

  document.addEventListener('click', event => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest('a') || tileAbove(event.target);
    const id = link?.hash?.slice(1);
    if (!maps.has(id)) return;
    event.preventDefault();
    // `detail` is 0 for clicks by the Enter key.
    go(id, { focus: event.detail === 0 });
    if (!link.closest('.map')) shown.closest('.card').scrollIntoView({ block: 'start' });
  });

  // Files have no map: a click opens the directory.
  const tileAbove = element => {
    const tile = element.closest('.tiles li')?.parentElement.closest('.tiles li');
    return tile?.querySelector(':scope > a');
  };

  // --- keyboard ---
  const directions = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const middle = tile => {
    const box = tile.getBoundingClientRect();
    return [box.left + box.width / 2, box.top + Math.min(box.height / 2, 10)];
  };
  const nextTile = (from, [x, y]) => {
    const [fromX, fromY] = middle(from);
    let best = null, least = Infinity;
    for (const tile of tilesOf(shown)) {
      if (tile === from || !isVisible(tile)) continue;
      const [toX, toY] = middle(tile);
      const ahead = (toX - fromX) * x + (toY - fromY) * y;
      const aside = Math.abs((toX - fromX) * y) + Math.abs((toY - fromY) * x);
      if (ahead > 1 && ahead + 2 * aside < least) [best, least] = [tile, ahead + 2 * aside];
    }
    return best;
  };
  document.addEventListener('keydown', event => {
    if (event.key === 'Escape' && !tip.hidden) hideTip();
    const tile = event.target.closest?.('.tiles li > :first-child');
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape' || event.key === 'Backspace') {
      event.preventDefault();
      up({ focus: true });
    } else if (event.key === 'Enter' && !tile.hash) {
      const above = tileAbove(tile);
      if (above) go(above.hash.slice(1), { focus: true });
    } else if (directions[event.key]) {
      event.preventDefault();
      const next = nextTile(tile, directions[event.key]);
      if (next) { makeTabStop(next); next.focus({ preventScroll: true }); }
    }
  });

  // --- tooltips, on hover, touch and focus ---
  const tip = document.getElementById('tip');
  const texts = new WeakMap();
  const textOf = tile => {
    if (tile.title) {
      texts.set(tile, tile.title);
      tile.removeAttribute('title');  // else the browser shows a second tooltip
    }
    return texts.get(tile);
  };
  const showTip = (tile, x, y) => {
    const [name, facts] = textOf(tile).split('\n');
    tip.querySelector('bdi').textContent = name;
    tip.querySelector('span').textContent = facts;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = Math.max(8, Math.min(x + 12, page.clientWidth - box.width - 8));
    const top = y + 18 + box.height > window.innerHeight ? y - box.height - 10 : y + 18;
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, top))}px)`;
    tile.setAttribute('aria-describedby', 'tip');
  };
  const hideTip = () => {
    tip.hidden = true;
    document.querySelector('[aria-describedby="tip"]')?.removeAttribute('aria-describedby');
  };
  const tileAt = event => event.target.closest?.('.tiles li > :first-child');
  document.addEventListener('pointermove', event => {
    const tile = tileAt(event);
    if (tile) { hideTip(); showTip(tile, event.clientX, event.clientY); } else if (!tip.hidden) hideTip();
  });
  document.addEventListener('focusin', event => {
    const tile = tileAt(event);
    if (tile?.matches(':focus-visible')) {
      const box = tile.getBoundingClientRect();
      showTip(tile, box.left, Math.min(box.bottom, box.top + 24));
    } else hideTip();
  });
  document.addEventListener('scroll', hideTip, { passive: true });

  page.classList.add('js');
  show(fromAddress() || whole);
  addEventListener('popstate', () => {
    // Other links on the page do not change the map.
    if (fromAddress() || !location.hash) show(fromAddress() || whole);
  });

  // --- sortable tables ---
  const valueOf = (row, column) => {
    const cell = row.cells[column];
    return 'value' in cell.dataset ? Number(cell.dataset.value) : cell.textContent.trim().toLowerCase();
  };
  const sort = (table, column, ascending) => {
    const body = table.tBodies[0];
    const rows = [...body.rows].map(row => [valueOf(row, column), row]);
    const sign = ascending ? 1 : -1;
    const compare = (a, b) => typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
    // Empty cells come last in both directions.
    rows.sort(([a], [b]) => (a === '') - (b === '') || sign * compare(a, b));
    body.append(...rows.map(([, row]) => row));
    for (const header of table.tHead.rows[0].cells) header.removeAttribute('aria-sort');
    table.tHead.rows[0].cells[column].setAttribute('aria-sort', ascending ? 'ascending' : 'descending');
  };
  for (const table of all('table.sorts')) {
    [...table.tHead.rows[0].cells].forEach((header, column) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener('click', () => {
        const now = header.getAttribute('aria-sort');
        const numbers = header.classList.contains('n');
        sort(table, column, now ? now === 'descending' : !numbers);
      });
    });
  }

  // --- filters ---
  for (const field of all('.filter input')) {
    const rows = [...document.getElementById(field.dataset.filters).tBodies[0].rows];
    const output = field.closest('.filter').querySelector('output');
    const filter = () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      let left = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every(word => text.includes(word));
        left += !row.hidden;
      }
      output.textContent = words.length ? `${left} of ${rows.length}` : '';
    };
    field.addEventListener('input', filter);
    filter();  // browsers may restore the text on reload
  }
})();
