// Vestibule in the browser. Every page works without it.
//
// 1. A client: a `fetch` that adds the CSRF token, refreshes the session once however many calls wait, and tells the
//    other tabs. It knows nothing of pages and is exported.
// 2. Enhancements of pages, each found by a data attribute, so that pages of an application can use them too.

// ---------- 1. The client ----------

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];
/**
 * On https the prefix is what keeps the cookie ours: a bare one there was planted, by a neighbouring host or over plain
 * http, and would have every form refused.
 */
const CSRF_COOKIE = location.protocol === 'https:' ? '__Host-vestibule_csrf' : 'vestibule_csrf';
/**
 * No question that the script asks by itself is waited for longer than this, in milliseconds. How long a call of
 * `vestibuleFetch` may take is its caller's to say, with a signal.
 */
const PATIENCE = 10_000;
/** With these words the server says that a session is certainly over. */
const OVER = ['session_expired', 'session_revoked', 'refresh_reused'];
/** After a refresh that failed, none is tried for so long: a page with twenty calls must not become a storm. */
const PAUSE_AFTER_FAILURE = 30_000;

function makeClient() {
  const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('vestibule') : null;
  const listeners = new Set();
  let refreshing = null;
  let failure = null;
  /** When the cookies were last renewed, in this tab or another. */
  let refreshedAt = -Infinity;
  /** The CSRF token of the session whose end was told last. */
  let toldEndOf = null;

  /** The session's CSRF token. It changes with the session and is the only cookie that a script can read. */
  function csrfToken() {
    const start = `${CSRF_COOKIE}=`;
    return document.cookie.split('; ').find((cookie) => cookie.startsWith(start))?.slice(start.length) ?? '';
  }

  /**
   * Calls `listener` with `{ type, user, expiresAt, reason }` when this browser logs in or out, in this tab or another, and
   * when the session was refreshed. `type` is `logged-in`, `logged-out` or `refreshed`; `reason` is the server's word where
   * it ended the session. Returns a function that ends it.
   */
  function onChange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  function tell(change) {
    for (const listener of listeners) {
      try {
        listener(change);
      } catch (error) {
        // A listener that fails is no failure of the session.
        (globalThis.reportError ?? console.error)(error);
      }
    }
  }

  function tellAllTabs(change) {
    tell(change);
    channel?.postMessage(change);
  }

  channel?.addEventListener('message', ({ data }) => {
    // Another tab's success is ours too: the cookies are the same.
    if (data.type !== 'logged-out') {
      failure = null;
      refreshedAt = performance.now();
    }
    tell(data);
  });

  /**
   * Refreshes the session, once in this tab however many callers wait. Two tabs may do it at once: the server gives both
   * the same successor, so no tab waits for another. Gives whether the session is good.
   */
  async function refresh() {
    return (await renew()) === 'granted';
  }

  /**
   * The same, and says what became of it: `granted`, `refused` or `unreachable`. For who presses a button the pause after a
   * failure does not count.
   */
  function renew({ isForced = false } = {}) {
    const token = csrfToken();
    const isTooSoon = failure && failure.token === token && Date.now() - failure.at < PAUSE_AFTER_FAILURE;
    if (isTooSoon && !isForced) return Promise.resolve(failure.outcome);
    refreshing ??= askForRefresh(token).finally(() => { refreshing = null; });
    return refreshing;
  }

  async function askForRefresh(token) {
    let outcome = 'unreachable';
    try {
      const answer = await fetch('/api/auth/refresh', {
        method: 'POST',
        headers: { 'X-CSRF-Token': token },
        signal: AbortSignal.timeout(PATIENCE),
      });
      if (answer.ok) {
        const { user, session } = await answer.json();
        failure = null;
        refreshedAt = performance.now();
        tellAllTabs({ type: 'refreshed', user: user.id, expiresAt: session.expires_at });
        return 'granted';
      }
      // Where the server is busy, nothing is said about the session.
      if (answer.status < 500 && answer.status !== 429) outcome = 'refused';
      tellWhereOver(await codeOf(answer), token);
    } catch {
      // No network, or no answer in time.
    }
    failure = { token, at: Date.now(), outcome };
    return outcome;
  }

  /** Once for each session, and not where another tab has logged in meanwhile: then it was the one before that is over. */
  function tellWhereOver(reason, token) {
    if (!OVER.includes(reason) || toldEndOf === token || ![token, ''].includes(csrfToken())) return;
    toldEndOf = token;
    tellAllTabs({ type: 'logged-out', user: '', reason });
  }

  /**
   * `fetch` for this site's own API. Adds the CSRF token to what changes something; where the access token is over,
   * refreshes the session and tries once more. Any other answer, a second 401 included, is the caller's.
   */
  async function vestibuleFetch(input, options) {
    const request = new Request(input, options);
    if (new URL(request.url).origin !== location.origin) throw new TypeError('vestibuleFetch is for this site alone');
    const sentAt = performance.now();
    const token = csrfToken();
    if (!SAFE_METHODS.includes(request.method)) request.headers.set('X-CSRF-Token', token);
    const answer = await fetch(request.clone());
    const code = answer.status === 401 ? await codeOf(answer) : '';
    tellWhereOver(code, token);
    // The token is the session's for as long as that lives. What one person began is not sent again as another, who has
    // logged in meanwhile in another tab.
    const isSameSession = () => token && csrfToken() === token;
    if (code !== 'unauthenticated' || !isSameSession()) return answer;
    // Where the cookies were renewed while this call was under way, they only have to be shown.
    const isGood = sentAt < refreshedAt || (await refresh());
    return isGood && isSameSession() ? fetch(request) : answer;
  }

  async function codeOf(answer) {
    try {
      return (await answer.clone().json()).code;
    } catch {
      return undefined;
    }
  }

  return { channel, csrfToken, onChange, refresh, renew, tellAllTabs, vestibuleFetch };
}

const CLIENT = Symbol.for('vestibule.client');
/** A page has one client, also where a script imports this module under another address than the page does. */
const isFirst = !(CLIENT in globalThis);
globalThis[CLIENT] ??= makeClient();
const { channel, renew, tellAllTabs } = globalThis[CLIENT];
export const { csrfToken, onChange, refresh, vestibuleFetch } = globalThis[CLIENT];

// ---------- 2. Pages ----------

const DRAFT = 'vestibule:draft:';
const DRAFT_AGE = 7 * 24 * 3600 * 1000;
/** The word in the address of a page after a save, with the name of what was saved. */
const SAVED = 'vestibule-saved';
/** How long other tabs have to say which drafts they write. */
const TIME_TO_CLAIM = 100;
const WARN_BEFORE = 2 * 60 * 1000;
/** How soon the server is asked again whether a session is over that should be. */
const ASK_AGAIN = 30_000;
/** What `setTimeout` can count to. A longer one would end at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

const meta = document.querySelector('meta[name="vestibule-session"]');
/** Whose page this is: an id, or nothing for a stranger. */
let user = meta?.dataset.user ?? '';
let expiresAt = Date.parse(meta?.content ?? '');
let isLeaving = false;

/** Says something to who cannot see that the page has changed, and to everybody else. */
function announce(words) {
  let line = document.getElementById('vestibule-status');
  if (!line) {
    line = document.createElement('p');
    line.id = 'vestibule-status';
    line.className = 'status-line';
    line.setAttribute('role', 'status');
    document.body.append(line);
  }
  line.textContent = words;
  setTimeout(() => { line.textContent = ''; }, 8000);
}

function button(label, onClick) {
  const made = document.createElement('button');
  made.type = 'button';
  made.className = 'quiet';
  made.textContent = label;
  made.addEventListener('click', onClick);
  return made;
}

/** Tells the other tabs where this page shows that somebody came or went. Forms log in and out without a script. */
function noticeLogInAndOut() {
  // A page that tells an error may not know who is there. The CSRF cookie stays as long as somebody is.
  if (!user && csrfToken()) return;
  const isLogOut = sessionStorage.getItem('vestibule:leaving');
  sessionStorage.removeItem('vestibule:leaving');
  if (isLogOut && !user) forgetDrafts();
  // Nothing is known in a browser that was told to forget: a log-out does that, and the other tabs are still to hear of it.
  if (known('user') !== user) {
    remember(user, meta?.content);
    channel?.postMessage({ type: user ? 'logged-in' : 'logged-out', user, expiresAt: meta?.content });
  } else if (user && expiresAt > (knownEnd() || 0)) {
    // The server has refreshed the session by itself, for this page.
    remember(user, meta.content);
    channel?.postMessage({ type: 'refreshed', user, expiresAt: meta.content });
  }
}

/** Keeps for all tabs who is logged in and until when. */
function remember(user, ends) {
  try {
    localStorage.setItem('vestibule:user', user);
    localStorage.setItem('vestibule:ends', ends ?? '');
  } catch {
    // Storage is forbidden: the word to the other tabs must do.
  }
}

/** When the session ends by all that any tab knows. */
function knownEnd() {
  return known('user') === user ? Date.parse(known('ends')) : NaN;
}

/** What any tab has remembered, '' where that is nobody; null where nothing was, or it cannot be read. */
function known(what) {
  try {
    return localStorage.getItem(`vestibule:${what}`);
  } catch {
    return null;
  }
}

/** Follows what happens in this tab and in others: no page stays that the present visitor may not see. */
async function follow(change) {
  if (change.type === 'refreshed') {
    if (change.user !== user) return;
    const end = Date.parse(change.expiresAt);
    if (end > knownEnd()) remember(user, change.expiresAt);
    if (!(end <= expiresAt)) setExpiry(change.expiresAt);
    return;
  }
  const visitor = change.user ?? '';
  if (change.reason && !csrfToken()) remember('', '');
  // Nobody was here, and nobody is.
  if (!user && !visitor) return;
  // A session that has only come to its end was theirs who sit here, and so is what they have typed.
  const hasOnlyEnded = change.reason === 'session_expired';
  if (user && visitor !== user && !hasOnlyEnded) {
    leave();
    return;
  }
  if (user && hasOnlyEnded) sayOver();
  await showVisitor();
  if (hasOnlyEnded) return;
  if (user !== visitor) {
    user = visitor;
    announce('You are logged in, in another tab.');
  }
  if (user) setExpiry(change.expiresAt);
}

/** Where a GET shows this page again. An answer to a form is not asked for once more, for that would send the form. */
function address() {
  return meta?.dataset.address ?? location.pathname + location.search;
}

/** What stands here is not theirs who look at it now. The server says what is shown instead. */
function leave() {
  isLeaving = true;
  document.querySelector('main')?.replaceChildren();
  location.replace(address() || '/log-in');
}

/** Puts the menu of the present visitor in its place, and leaves alone what is typed on the page. */
async function showVisitor() {
  let page;
  try {
    const answer = await fetch(address() || '/', { headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) return;
    page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  } catch {
    return;
  }
  const theirs = page.querySelectorAll('[data-vestibule-visitor]');
  document.querySelectorAll('[data-vestibule-visitor]').forEach((ours, number) => {
    if (theirs[number]) ours.replaceWith(document.adoptNode(theirs[number]));
  });
}

/** A page from the browser's memory may be that of somebody who has logged out since, or has not logged in yet. */
function checkRestoredPage({ persisted }) {
  if (!persisted) return;
  const visitor = known('user') ?? user;
  if (visitor !== user) follow({ type: visitor ? 'logged-in' : 'logged-out', user: visitor, expiresAt: known('ends') });
}

let expiryTimer;
let isOver = false;
let banner = null;

function setExpiry(moment) {
  expiresAt = Date.parse(moment ?? '');
  isOver = false;
  clearTimeout(expiryTimer);
  banner?.close();
  if (!user || Number.isNaN(expiresAt)) return;
  const wait = expiresAt - WARN_BEFORE - Date.now();
  const warn = () => {
    if (wait > LONGEST_TIMER) setExpiry(moment);
    else if (!heardOfLaterEnd()) warnOfExpiry();
  };
  expiryTimer = setTimeout(warn, Math.min(Math.max(wait, 0), LONGEST_TIMER));
}

/** A tab that slept may have missed that another one went on. */
function heardOfLaterEnd() {
  const isLater = knownEnd() > expiresAt;
  if (isLater) setExpiry(known('ends'));
  return isLater;
}

function openBanner() {
  const element = document.createElement('div');
  element.id = 'vestibule-expiry';
  element.className = 'notice session-end';
  element.setAttribute('role', 'alert');
  const words = document.createElement('p');
  const stay = button('Stay logged in', stayLoggedIn);
  element.append(words, stay);
  // Who was writing goes on where they were.
  let from = null;
  element.addEventListener('focusin', ({ relatedTarget }) => { from ??= relatedTarget; });
  const remove = (part) => {
    const hadFocus = part.contains(document.activeElement);
    part.remove();
    if (hadFocus) (from?.isConnected && !element.contains(from) ? from : document.querySelector('main'))?.focus();
  };
  document.querySelector('main')?.prepend(element);
  banner = {
    say: (text) => { words.textContent = text; },
    withoutButton: () => remove(stay),
    close: () => { banner = null; remove(element); },
  };
}

function timeOfEnd() {
  return new Date(expiresAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function warnOfExpiry() {
  openBanner();
  banner.say(`Your session ends at ${timeOfEnd()}.`);
  expiryTimer = setTimeout(askWhetherOver, Math.max(expiresAt - Date.now(), 0));
}

async function stayLoggedIn() {
  const before = expiresAt;
  const outcome = await renew({ isForced: true });
  // A refresh that gives another end has removed the banner; one that finds the session over has said so.
  if (expiresAt > before) announce('You stay logged in.');
  else if (outcome === 'unreachable') banner?.say(`This site cannot be reached at the moment. Your session ends at ${timeOfEnd()}: try again.`);
  else if (!isOver) banner?.say(`Your session ends at ${timeOfEnd()} and cannot be made longer. Save what you are writing, then log in again.`);
}

/** By this computer's clock the session is over. The server knows better, and so may another tab. */
async function askWhetherOver() {
  if (heardOfLaterEnd()) return;
  const before = expiresAt;
  let answer;
  let ends;
  try {
    answer = await vestibuleFetch('/api/auth/session', { signal: AbortSignal.timeout(PATIENCE) });
    ends = answer.ok && (await answer.json()).session.expires_at;
  } catch {
    // Not reached.
  }
  // Asking may have refreshed the session.
  if (expiresAt > before) return;
  if (answer?.status === 401) { if (!isOver) tellAllTabs({ type: 'logged-out', user: '', reason: 'session_expired' }); }
  else if (Date.parse(ends) > expiresAt) follow({ type: 'refreshed', user, expiresAt: ends });
  else expiryTimer = setTimeout(askWhetherOver, ASK_AGAIN);
}

function sayOver() {
  isOver = true;
  clearTimeout(expiryTimer);
  if (!banner) openBanner();
  banner.say('Your session is over. What you have typed is still here: copy it, then log in again.');
  banner.withoutButton();
}

// Drafts: `form[data-vestibule-draft]`. What is typed is kept until the server says that this very text was taken, through
// crashes, closed tabs, servers that are away and sessions that end. As it is sent, a text gets a name that nobody can guess;
// the page after the save has it in its address.

/** Drafts that this page writes. */
const held = new Set();
let draftChannel = null;

function keepDrafts(forms) {
  if (forms.length && 'BroadcastChannel' in globalThis) {
    draftChannel = new BroadcastChannel('vestibule:drafts');
    draftChannel.addEventListener('message', ({ data }) => {
      if (data === 'whose') draftChannel.postMessage([...held]);
    });
  }
  forms.forEach(keepDraft);
}

async function keepDraft(form) {
  const fields = [...form.elements].filter((field) => field.matches('textarea, input[type="text"]'));
  const read = () => Object.fromEntries(fields.map((field) => [field.name, field.value]));
  const write = (values) => fields.forEach((field) => { field.value = values[field.name] ?? field.value; });
  const served = read();
  const isUntouched = () => JSON.stringify(read()) === JSON.stringify(served);
  const base = `${DRAFT}${user}:${pathOf(form)}`;
  let key;
  let timer;
  // What the page showed before the draft was begun: what is typed takes the place of that, and of nothing newer.
  let over = fingerprint(served);
  const hold = (chosen) => {
    held.delete(key);
    held.add(chosen);
    key = chosen;
  };
  const save = (sent) => {
    clearTimeout(timer);
    timer = null;
    if (isLeaving) return;
    store(key, { values: read(), over, at: Date.now(), isOpen: true, sent });
    sessionStorage.setItem('vestibule:own', key);
  };
  const restore = () => {
    const stored = readDraft(key);
    if (!stored) return;
    store(key, { ...stored, isOpen: true });
    const shown = over;
    over = stored.over ?? shown;
    // Also the form that was refused and shows what was typed.
    if (JSON.stringify(stored.values) === JSON.stringify(served)) return;
    const notice = document.createElement('div');
    notice.className = 'notice draft';
    notice.setAttribute('role', 'status');
    const words = document.createElement('p');
    const when = new Date(stored.at).toLocaleString();
    const discard = button('Discard it', () => {
      localStorage.removeItem(key);
      write(served);
      over = shown;
      notice.remove();
      fields[0]?.focus();
    });
    const bringBack = () => {
      write(stored.values);
      words.textContent = `What you typed on ${when} was not saved yet, and is here again.`;
    };
    notice.append(words, discard);
    form.before(notice);
    if (over === shown) {
      bringBack();
      return;
    }
    // Whoever goes on writing now knows what stands here.
    over = shown;
    words.textContent = `This was changed since, elsewhere. What you typed on ${when} was not saved, and is not shown.`;
    const show = button('Show what you typed', () => {
      bringBack();
      show.remove();
      fields[0]?.focus();
    });
    discard.before(show);
  };
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(save, 300);
  });
  form.addEventListener('submit', (event) => {
    if (event.defaultPrevented) return;
    const name = makeName();
    let field = form.querySelector('input[name="vestibule_draft"]');
    if (!field) {
      field = document.createElement('input');
      field.type = 'hidden';
      field.name = 'vestibule_draft';
      form.append(field);
    }
    field.value = name;
    save(name);
  });
  addEventListener('pagehide', () => {
    if (timer) save();
    const stored = readDraft(key);
    if (stored && !isLeaving) store(key, { ...stored, isOpen: false });
  });
  if (form.dataset.vestibuleDraft !== 'new') {
    hold(base);
    restore();
    return;
  }
  // Each tab begins another thing, and has a draft of its own. One whose tab is gone is taken up.
  hold(`${base}#${makeName()}`);
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted && readDraft(key)?.isOpen) hold(`${base}#${makeName()}`);
  });
  const found = draftsOf(`${base}#`);
  let free = found.find(({ isOpen }) => !isOpen);
  if (!free && found.length) {
    // A tab that crashed did not say that it goes.
    const others = await heldElsewhere();
    free = isUntouched() && found.find((draft) => !others.has(draft.key));
  }
  if (free) {
    hold(free.key);
    restore();
  }
}

/** All drafts below a key: first what this tab has written, then what is newest. */
function draftsOf(start) {
  const own = sessionStorage.getItem('vestibule:own');
  return draftKeys()
    .filter((key) => key.startsWith(start))
    .map((key) => ({ key, ...readDraft(key) }))
    .sort((one, other) => (other.key === own) - (one.key === own) || other.at - one.at);
}

async function heldElsewhere() {
  const keys = new Set();
  draftChannel?.addEventListener('message', ({ data }) => { if (Array.isArray(data)) data.forEach((key) => keys.add(key)); });
  draftChannel?.postMessage('whose');
  await new Promise((done) => { setTimeout(done, draftChannel ? TIME_TO_CLAIM : 0); });
  return keys;
}

function makeName() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A short sign of some texts, to tell whether they are still the same. */
function fingerprint(values) {
  let sign = 5381;
  for (const letter of JSON.stringify(values)) sign = (Math.imul(sign, 33) ^ letter.codePointAt(0)) >>> 0;
  return sign.toString(16);
}

/** Not `form.action`: a field of that name would be found in its place. */
function pathOf(form) {
  return new URL(form.getAttribute('action') ?? '', location.href).pathname;
}

function draftKeys() {
  return Object.keys(localStorage).filter((key) => key.startsWith(DRAFT));
}

function readDraft(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch {
    // No room, or storage is forbidden: then there is no draft.
  }
}

/** Removes the draft that the server has taken, those that are old, and those of somebody else. */
function tidyDrafts() {
  const here = new URL(location.href);
  const saved = here.searchParams.get(SAVED);
  if (saved) {
    here.searchParams.delete(SAVED);
    history.replaceState(history.state, '', here);
  }
  draftKeys().forEach((key) => {
    const draft = readDraft(key);
    const isTheirs = user && !key.startsWith(`${DRAFT}${user}:`);
    if (isTheirs || !(Date.now() - draft?.at < DRAFT_AGE) || (saved && draft.sent === saved)) localStorage.removeItem(key);
  });
}

function forgetDrafts() {
  draftKeys().forEach((key) => localStorage.removeItem(key));
}

/** A button beside every password that shows what is typed. */
function addReveal(field) {
  const name = field.labels?.[0]?.textContent ?? 'password';
  const frame = document.createElement('div');
  frame.className = 'with-reveal';
  const hasFocus = document.activeElement === field;
  field.before(frame);
  const reveal = button('Show', () => show(field.type === 'password'));
  reveal.classList.add('reveal');
  reveal.setAttribute('aria-label', `Show: ${name}`);
  frame.append(field, reveal);
  // It was lost as the field moved.
  if (hasFocus) field.focus();
  const show = (isShown) => {
    field.type = isShown ? 'text' : 'password';
    reveal.setAttribute('aria-pressed', String(isShown));
  };
  show(false);
  // So that no browser keeps it among the texts that were typed.
  field.form?.addEventListener('submit', () => show(false));
}

/** `input[data-vestibule-strength]`: says while it is typed what the server would say to this password. */
function judge(field) {
  const line = document.createElement('p');
  line.className = 'hint strength';
  line.setAttribute('aria-live', 'polite');
  (field.closest('.field') ?? field.parentElement).append(line);
  let timer;
  let asked;
  const other = (name) => field.form?.elements.namedItem(name)?.value;
  const ask = async () => {
    const mine = new AbortController();
    asked = mine;
    const [name, email, token] = ['name', 'email', 'token'].map(other);
    // A form that does not ask who one is is for who is logged in, unless a link says it.
    const own = user !== '' && email === undefined && token === undefined;
    const patience = setTimeout(() => mine.abort(), PATIENCE);
    try {
      const answer = await vestibuleFetch('/api/auth/check-password', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ password: field.value, name, email, token, own }),
        signal: mine.signal,
      });
      const judgement = answer.ok ? await answer.json() : null;
      line.textContent = judgement?.message ?? '';
      line.classList.toggle('good', judgement?.acceptable === true);
    } catch {
      // Overtaken by what was typed since, or no answer. The server judges in the end.
      if (asked === mine) line.textContent = '';
    }
    clearTimeout(patience);
  };
  field.addEventListener('input', () => {
    clearTimeout(timer);
    asked?.abort();
    asked = null;
    if (field.value) timer = setTimeout(ask, 400);
    else line.textContent = '';
  });
}

/**
 * Another password gives the browser another session, and the forms of its other tabs would be refused. Only while the
 * page is still that of who is logged in: what somebody else began is not to be done in their name.
 */
function renewToken(form) {
  const field = form.elements.namedItem('csrf_token');
  if (field && csrfToken() && known('user') === user) field.value = csrfToken();
}

/** A second click does not send a form again. */
function sendOnce(form) {
  form.addEventListener('submit', (event) => {
    if (event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = 'yes';
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
}

function enhance() {
  document.querySelectorAll('form[method="post"]').forEach(sendOnce);
  try {
    noticeLogInAndOut();
    tidyDrafts();
    if (user) keepDrafts([...document.querySelectorAll('form[data-vestibule-draft]')]);
  } catch {
    // Storage is forbidden in this browser: no drafts, and no word to other tabs.
  }
  onChange(follow);
  setExpiry(meta?.content);
  document.querySelectorAll('input[type="password"]').forEach(addReveal);
  document.querySelectorAll('input[data-vestibule-strength]').forEach(judge);
  addEventListener('submit', ({ target }) => {
    try {
      renewToken(target);
      if (target.matches('[data-vestibule-log-out]')) sessionStorage.setItem('vestibule:leaving', 'yes');
    } catch {
      // Storage is forbidden: the form goes as it is.
    }
  });
  addEventListener('pageshow', (event) => {
    document.querySelectorAll('form').forEach((form) => { delete form.dataset.sent; });
    checkRestoredPage(event);
  });
}

if (isFirst) enhance();
