// Keeps the page fresh: the server draws, this puts the parts in place.

const main = document.getElementById('main');
const list = document.getElementById('touchpoints');
const state = document.getElementById('state');
const pause = document.getElementById('pause');

// 24 hours everywhere: the column is narrow and its times are compared
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hourCycle: 'h23' });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'short', hourCycle: 'h23' });

/** Times in the reader's own zone; a date only where it is not today. */
function localTimes(place) {
  for (const time of place.querySelectorAll('time')) {
    const at = new Date(time.dateTime);
    const isToday = at.toDateString() === new Date().toDateString();
    time.textContent = (isToday ? clock : date).format(at);
  }
}

function show(part, text) {
  const place = document.getElementById(part);
  place.innerHTML = text;
  localTimes(place);
}

let rows = new Map([...list.children].map((row) => [row.dataset.id, row]));

/** Puts the rows in order: those that are there move nowhere, new ones come in on top. */
function showTouchpoints(touchpoints) {
  const shown = new Map();
  let before = null;
  for (const [id, text] of touchpoints) {
    let row = rows.get(id);
    if (!row) {
      row = document.createElement('li');
      row.dataset.id = id;
      row.className = 'new';
    }
    if (row.drawn !== text) {
      row.innerHTML = text;
      row.drawn = text;
      localTimes(row);
    }
    const place = before ? before.nextSibling : list.firstChild;
    if (row !== place) list.insertBefore(row, place);
    before = row;
    shown.set(id, row);
  }
  for (const [id, row] of rows) if (!shown.has(id)) row.remove();
  rows = shown;
  document.getElementById('no-touchpoints').hidden = rows.size > 0;
}

function showState(name, text) {
  state.dataset.state = name;
  const place = state.lastElementChild;
  if (place.textContent !== text) place.textContent = text;
}

// What arrives while the list is paused is shown when it goes on.
let isPaused = false;
let waiting = null;
pause.hidden = false;
pause.addEventListener('click', () => {
  isPaused = !isPaused;
  pause.setAttribute('aria-pressed', String(isPaused));
  pause.textContent = isPaused ? 'Go on' : 'Pause';
  if (!isPaused && waiting) showTouchpoints(waiting);
  waiting = null;
});

localTimes(document);

let events = null;

function connect() {
  events = new EventSource(`/home/live?site=${main.dataset.site}`);
  for (const part of ['stages', 'tiles', 'carts', 'freshness', 'freshness-worst']) {
    events.addEventListener(part, ({ data }) => show(part, JSON.parse(data)));
  }
  events.addEventListener('touchpoints', ({ data }) => {
    if (isPaused) waiting = JSON.parse(data);
    else showTouchpoints(JSON.parse(data));
  });
  events.addEventListener('state', ({ data }) => {
    if (JSON.parse(data) === 'live') showState('live', 'Live');
    else showState('waiting', 'Waiting for the database');
  });
  events.addEventListener('error', () => {
    // closed for good means refused: the sign-in is over
    if (events?.readyState === EventSource.CLOSED) showState('gone', 'Signed out; reload the page');
    else showState('waiting', 'Connecting again');
  });
}

// Only a page that is looked at listens: browsers hold few connections to one host, and the database is asked less.
function listenWhileVisible() {
  if (document.visibilityState === 'visible') {
    if (!events) connect();
  } else {
    events?.close();
    events = null;
  }
}
document.addEventListener('visibilitychange', listenWhileVisible);
listenWhileVisible();

const site = document.getElementById('site');
if (site) {
  site.addEventListener('change', () => site.form.submit());
  site.form.querySelector('button').hidden = true;
}
