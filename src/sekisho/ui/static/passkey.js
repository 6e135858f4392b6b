// Talks to the browser's passkeys (WebAuthn level 3) for pages with [data-passkey]: fetches the
// options, asks the browser, hands the answer back, goes on. Everything it can say stands in
// data-msg-… attributes, in the language of the page; nothing here writes HTML or style.

const toBytes = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, "-")
    .replace(/\//g, "_")
    .replace(/=+$/, "");

const withBytes = (list) => (list || []).map((item) => ({ ...item, id: toBytes(item.id) }));

function readCreation(options) {
  if (PublicKeyCredential.parseCreationOptionsFromJSON) {
    return PublicKeyCredential.parseCreationOptionsFromJSON(options);
  }
  return {
    ...options,
    challenge: toBytes(options.challenge),
    user: { ...options.user, id: toBytes(options.user.id) },
    excludeCredentials: withBytes(options.excludeCredentials),
  };
}

function readRequest(options) {
  if (PublicKeyCredential.parseRequestOptionsFromJSON) {
    return PublicKeyCredential.parseRequestOptionsFromJSON(options);
  }
  return {
    ...options,
    challenge: toBytes(options.challenge),
    allowCredentials: withBytes(options.allowCredentials),
  };
}

// toJSON() of password managers' own credential objects can fail; the fields never do.
function write(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  return { id: credential.id, rawId: toText(credential.rawId), type: credential.type, response };
}

class Refused extends Error {}

async function send(box, address, body) {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRF-Token": box.dataset.csrf },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Refused(box.dataset.msgOffline);
  }
  const said = await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  if (said.next) location.assign(said.next);
  throw new Refused([said.error, said.hint].filter(Boolean).join(" ") || box.dataset.msgOffline);
}

function explain(box, error) {
  if (error instanceof Refused) return error.message;
  const known = {
    SecurityError: box.dataset.msgInsecure,
    NotAllowedError: box.dataset.msgCancelled,
    AbortError: box.dataset.msgCancelled,
    InvalidStateError: box.dataset.msgRegistered,
    NotSupportedError: box.dataset.msgNone,
    ConstraintError: box.dataset.msgNone,
  };
  return known[error.name] || `${box.dataset.msgFailed} ${error.name}`;
}

function say(box, words) {
  const place = box.querySelector("[data-passkey-said]");
  place.textContent = words;
  place.hidden = !words;
}

function fieldsOf(form) {
  return form ? Object.fromEntries(new FormData(form)) : {};
}

async function run(box) {
  const form = box.closest("form");
  if (form && !form.reportValidity()) return;
  const fields = fieldsOf(form);
  const { handle, options } = await send(box, box.dataset.options, fields);
  const credential =
    box.dataset.passkey === "create"
      ? await navigator.credentials.create({ publicKey: readCreation(options) })
      : await navigator.credentials.get({ publicKey: readRequest(options) });
  const answer = { handle, credential: write(credential), label: fields.label || "", next: box.dataset.next };
  const done = await send(box, box.dataset.finish, answer);
  location.assign(done.next);
}

async function go(box, button) {
  say(box, "");
  button.disabled = true;
  try {
    await run(box);
  } catch (error) {
    say(box, explain(box, error));
  } finally {
    button.disabled = false;
  }
}

for (const box of document.querySelectorAll("[data-passkey]")) {
  const button = box.querySelector("[data-passkey-go]");
  if (!window.isSecureContext) say(box, box.dataset.msgInsecure);
  else if (!window.PublicKeyCredential) say(box, box.dataset.msgUnsupported);
  else {
    button.disabled = false;
    button.addEventListener("click", () => go(box, button));
  }
}

for (const button of document.querySelectorAll("[data-print]")) {
  button.addEventListener("click", () => window.print());
}
