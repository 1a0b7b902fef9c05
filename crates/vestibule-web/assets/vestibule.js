// Vestibule in the browser. Every page works without it.
//
// 1. A client: a `fetch` that adds the CSRF token, refreshes the session once however many calls wait, and tells the
//    other tabs. It knows nothing of pages and is exported.
// 2. Enhancements of pages, each found by a data attribute, so that pages of an application can use them too.

// ---------- 1. The client ----------

const SAFE_METHODS = ['GET', 'HEAD', 'OPTIONS'];
const CSRF_COOKIES = ['__Host-vestibule_csrf', 'vestibule_csrf'];
/** No request of ours is waited for longer than this, in milliseconds. */
const PATIENCE = 10_000;
/** After a refresh that failed, none is tried for so long: a page with twenty calls must not become a storm. */
const PAUSE_AFTER_FAILURE = 30_000;

function makeClient() {
  const channel = 'BroadcastChannel' in globalThis ? new BroadcastChannel('vestibule') : null;
  const listeners = new Set();
  let refreshing = null;
  let failure = null;
  /** When the cookies were last renewed, in this tab or another. */
  let refreshedAt = -Infinity;

  /** The session's CSRF token. It changes with the session and is the only cookie that a script can read. */
  function csrfToken() {
    const cookies = document.cookie.split('; ').map((cookie) => cookie.split('='));
    return cookies.find(([name]) => CSRF_COOKIES.includes(name))?.[1] ?? '';
  }

  /**
   * Calls `listener` with `{ type, user, expiresAt }` when this browser logs in or out, in this tab or another, and when
   * the session was refreshed. `type` is `logged-in`, `logged-out` or `refreshed`. Returns a function that ends it.
   */
  function onChange(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  function tell(change) {
    listeners.forEach((listener) => listener(change));
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
  function refresh() {
    const token = csrfToken();
    const isTooSoon = failure && failure.token === token && Date.now() - failure.at < PAUSE_AFTER_FAILURE;
    if (isTooSoon) return Promise.resolve(false);
    refreshing ??= askForRefresh(token).finally(() => { refreshing = null; });
    return refreshing;
  }

  async function askForRefresh(token) {
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
        return true;
      }
    } catch {
      // No network, or no answer in time: the same as a refusal for now.
    }
    failure = { token, at: Date.now() };
    return false;
  }

  /**
   * `fetch` for this site's own API. Adds the CSRF token to what changes something; where the access token is over,
   * refreshes the session and tries once more. Any other answer, a second 401 included, is the caller's.
   */
  async function vestibuleFetch(input, options) {
    const request = new Request(input, options);
    if (new URL(request.url).origin !== location.origin) throw new TypeError('vestibuleFetch is for this site alone');
    const sentAt = performance.now();
    const answer = await fetch(withToken(request.clone()));
    if (answer.status !== 401 || (await codeOf(answer)) !== 'unauthenticated' || !csrfToken()) return answer;
    // Where the cookies were renewed while this call was under way, they only have to be shown.
    const isGood = sentAt < refreshedAt || (await refresh());
    return isGood ? fetch(withToken(request)) : answer;
  }

  function withToken(request) {
    if (!SAFE_METHODS.includes(request.method)) request.headers.set('X-CSRF-Token', csrfToken());
    return request;
  }

  async function codeOf(answer) {
    try {
      return (await answer.clone().json()).code;
    } catch {
      return undefined;
    }
  }

  return { csrfToken, onChange, refresh, vestibuleFetch, channel };
}

const CLIENT = Symbol.for('vestibule.client');
/** A page has one client, also where a script imports this module under another address than the page does. */
const isFirst = !(CLIENT in globalThis);
globalThis[CLIENT] ??= makeClient();
const { channel } = globalThis[CLIENT];
export const { csrfToken, onChange, refresh, vestibuleFetch } = globalThis[CLIENT];

// ---------- 2. Pages ----------

const DRAFT = 'vestibule:draft:';
const DRAFT_AGE = 7 * 24 * 3600 * 1000;
const WARN_BEFORE = 2 * 60 * 1000;
/** What `setTimeout` can count to. A longer one would end at once. */
const LONGEST_TIMER = 2 ** 31 - 1;

const meta = document.querySelector('meta[name="vestibule-session"]');
/** Whose page this is: an id, or nothing for a stranger. */
let user = meta?.dataset.user ?? '';
let expiresAt = Date.parse(meta?.content ?? '');

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
  const before = localStorage.getItem('vestibule:user') ?? '';
  // A page that tells an error may not know who is there. The CSRF cookie stays as long as somebody is.
  const isUnknown = !user && csrfToken();
  if (before === user || isUnknown) return;
  localStorage.setItem('vestibule:user', user);
  channel?.postMessage({ type: user ? 'logged-in' : 'logged-out', user, expiresAt: meta?.content });
}

/** Follows another tab: shows its visitor in the menu, and no page that the present one may not see. */
async function follow(change) {
  if (change.type === 'refreshed') {
    if (change.user === user) setExpiry(change.expiresAt);
    return;
  }
  if (user && change.user !== user) {
    // Whatever stands here is not theirs. The server says what is shown instead.
    location.reload();
    return;
  }
  let answer;
  try {
    answer = await fetch(location.href, { headers: { Accept: 'text/html' }, signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) return;
  } catch {
    return;
  }
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const theirs = page.querySelectorAll('[data-vestibule-visitor]');
  document.querySelectorAll('[data-vestibule-visitor]').forEach((ours, number) => {
    if (theirs[number]) ours.replaceWith(document.adoptNode(theirs[number]));
  });
  if (user !== (change.user ?? '')) {
    user = change.user ?? '';
    setExpiry(change.expiresAt);
    announce('You are logged in, in another tab.');
  }
}

/** A page from the browser's memory may be somebody's who has logged out since. */
function checkRestoredPage({ persisted }) {
  if (persisted && (localStorage.getItem('vestibule:user') ?? '') !== user) location.reload();
}

let expiryTimer;
function setExpiry(moment) {
  expiresAt = Date.parse(moment ?? '');
  clearTimeout(expiryTimer);
  document.getElementById('vestibule-expiry')?.remove();
  if (!user || Number.isNaN(expiresAt)) return;
  const wait = expiresAt - WARN_BEFORE - Date.now();
  expiryTimer = setTimeout(() => (wait > LONGEST_TIMER ? setExpiry(moment) : warnOfExpiry()), Math.min(Math.max(wait, 0), LONGEST_TIMER));
}

function warnOfExpiry() {
  const banner = document.createElement('div');
  banner.id = 'vestibule-expiry';
  banner.className = 'notice session-end';
  banner.setAttribute('role', 'alert');
  const words = document.createElement('p');
  const time = new Date(expiresAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  words.textContent = `Your session ends at ${time}.`;
  banner.append(words, button('Stay logged in', async () => {
    const before = expiresAt;
    // A refresh sets another end and removes this banner, unless the session has lived as long as it may.
    if (!(await refresh()) || expiresAt <= before) {
      words.textContent = `Your session ends at ${time} and cannot be made longer. Save what you are writing, then log in again.`;
    }
  }));
  document.querySelector('main')?.prepend(banner);
  expiryTimer = setTimeout(() => {
    words.textContent = 'Your session is over. What you have typed is still here: copy it, then log in again.';
    banner.querySelector('button')?.remove();
  }, Math.max(expiresAt - Date.now(), 0));
}

/** `form[data-vestibule-draft]`: keeps what is typed until it was taken, through crashes and closed tabs. */
function keepDraft(form) {
  const key = draftKey(form);
  const fields = [...form.elements].filter((field) => field.matches('textarea, input[type="text"]'));
  const read = () => Object.fromEntries(fields.map((field) => [field.name, field.value]));
  const served = read();
  const write = (values) => fields.forEach((field) => { field.value = values[field.name] ?? field.value; });
  const stored = readDraft(key);
  if (stored && JSON.stringify(stored.values) !== JSON.stringify(served)) {
    write(stored.values);
    const notice = document.createElement('div');
    notice.className = 'notice draft';
    notice.setAttribute('role', 'status');
    const words = document.createElement('p');
    words.textContent = `What you typed on ${new Date(stored.at).toLocaleString()} was not saved yet, and is here again.`;
    notice.append(words, button('Discard it', () => {
      localStorage.removeItem(key);
      write(served);
      notice.remove();
      fields[0]?.focus();
    }));
    form.before(notice);
  }
  let timer;
  form.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => store(key, { values: read(), at: Date.now() }), 300);
  });
  form.addEventListener('submit', () => {
    clearTimeout(timer);
    store(key, { values: read(), at: Date.now() });
    sessionStorage.setItem('vestibule:sent', key);
  });
}

function draftKey(form) {
  return `${DRAFT}${user}:${new URL(form.action).pathname}`;
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

/** Removes the draft of a form that was taken, those that are old, and those of somebody else. */
function tidyDrafts(forms) {
  const sent = sessionStorage.getItem('vestibule:sent');
  const isTaken = sent && user && !document.querySelector('.error-page') && !forms.some((form) => draftKey(form) === sent);
  if (isTaken) localStorage.removeItem(sent);
  if (user) sessionStorage.removeItem('vestibule:sent');
  Object.keys(localStorage).filter((key) => key.startsWith(DRAFT)).forEach((key) => {
    const isTheirs = user && !key.startsWith(`${DRAFT}${user}:`);
    if (isTheirs || !(Date.now() - readDraft(key)?.at < DRAFT_AGE)) localStorage.removeItem(key);
  });
}

function forgetDrafts() {
  Object.keys(localStorage).filter((key) => key.startsWith(DRAFT)).forEach((key) => localStorage.removeItem(key));
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
  field.addEventListener('input', () => {
    clearTimeout(timer);
    asked?.abort();
    if (!field.value) { line.textContent = ''; return; }
    timer = setTimeout(async () => {
      asked = new AbortController();
      const other = (name) => field.form?.elements.namedItem(name)?.value ?? '';
      try {
        const answer = await fetch('/api/auth/check-password', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ password: field.value, name: other('name'), email: other('email') }),
          signal: asked.signal,
        });
        const judgement = answer.ok ? await answer.json() : null;
        line.textContent = judgement?.message ?? '';
        line.classList.toggle('good', judgement?.acceptable === true);
      } catch {
        // Overtaken by what was typed since, or no network. The server judges in the end.
      }
    }, 400);
  });
}

/**
 * Another password gives the browser another session, and the forms of its other tabs would be refused. Only while the
 * page is still that of who is logged in: what somebody else began is not to be done in their name.
 */
function renewToken(form) {
  const field = form.elements.namedItem('csrf_token');
  if (field && csrfToken() && localStorage.getItem('vestibule:user') === user) field.value = csrfToken();
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
  const drafts = [...document.querySelectorAll('form[data-vestibule-draft]')];
  try {
    noticeLogInAndOut();
    tidyDrafts(drafts);
    if (user) drafts.forEach(keepDraft);
  } catch {
    // Storage is forbidden in this browser: no drafts, and no word to other tabs.
  }
  onChange(follow);
  setExpiry(meta?.content);
  document.querySelectorAll('input[type="password"]').forEach(addReveal);
  document.querySelectorAll('input[data-vestibule-strength]').forEach(judge);
  document.querySelectorAll('form[method="post"]').forEach(sendOnce);
  addEventListener('submit', ({ target }) => {
    try {
      renewToken(target);
    } catch {
      // Storage is forbidden: the form goes as it is.
    }
    if (new URL(target.action).pathname === '/log-out') forgetDrafts();
  });
  addEventListener('pageshow', (event) => {
    document.querySelectorAll('form').forEach((form) => { delete form.dataset.sent; });
    checkRestoredPage(event);
  });
}

if (isFirst) enhance();
