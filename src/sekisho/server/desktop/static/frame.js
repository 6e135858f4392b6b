// What the pages of RDP and VNC have in common: state, words, ticket, why it ended.
export const words = JSON.parse(document.getElementById("words").textContent);
const find = (id) => document.getElementById(id);
const parts = { ask: find("ask"), stage: find("stage"), why: find("why"), tools: document.querySelector(".tools") };
const language = document.documentElement.lang;

export function show(state, text) {
  document.body.dataset.state = state;
  find("state").textContent = text;
  const open = state === "connected";
  parts.stage.hidden = !open;
  parts.tools.hidden = !open;
  parts.ask.hidden = open;
  for (const field of parts.ask.elements) field.disabled = state === "connecting";
}

function tell(entries) {
  parts.why.replaceChildren();
  for (const { text, fix, facts } of entries) {
    const head = document.createElement("h2");
    head.textContent = text;
    const help = document.createElement("p");
    help.textContent = fix;
    parts.why.append(head, help);
    for (const [name, value] of facts || []) {
      const line = document.createElement("p");
      const code = document.createElement("code");
      code.textContent = value;
      line.append(`${name}: `, code);
      parts.why.append(line);
    }
  }
  parts.why.hidden = entries.length === 0;
}

async function ask(address) {
  const answer = await fetch(address, { headers: { "accept-language": language }, cache: "no-store" });
  return answer.ok ? answer.json() : {};
}

// Asks the gate first (was this session cut?), then what the relay said.
export async function explain(fallback) {
  let entries = [fallback];
  let state = "ended";
  try {
    const cut = await ask("/.sekisho/why");
    if (cut.cut) {
      state = "refused";
      entries = cut.reasons.map(({ text, fix }) => ({ text, fix }));
      entries.unshift({ text: words.cut, fix: "" });
    } else {
      const told = await ask("/why");
      const said = told.text && told.why !== "closed" ? told : null;
      if (said) {
        state = "refused";
        const facts = said.shown ? [[words.shown, said.shown]] : [];
        if (said.pinned) facts.push([words.pinned, said.pinned]);
        entries = [{ text: said.text, fix: said.fix, facts }];
      }
    }
  } catch {
    entries = [{ text: words.network, fix: words.networkFix }];
  }
  tell(entries);
  show(state, words[state]);
}

// A ticket is good for one connection; without a session that still lives the page comes in anew.
export async function takeTicket() {
  tell([]);
  const answer = await fetch("/ticket", { method: "POST", cache: "no-store" });
  if (answer.status === 401 || answer.status === 403) {
    location.reload();
    return new Promise(() => {});
  }
  if (!answer.ok) throw new Error(`ticket ${answer.status}`);
  return (await answer.json()).ticket;
}

export const socketAddress = `wss://${location.host}/socket`;

export function onSubmit(connect) {
  parts.ask.addEventListener("submit", (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(parts.ask));
    show("connecting", words.connecting);
    connect(fields).catch(() => explain({ text: words.failed, fix: words.failedFix }));
  });
}

export function onTools({ rescale, secure, leave }) {
  let fit = true;
  const scale = find("scale");
  const draw = () => {
    scale.textContent = fit ? words.exact : words.fit;
    parts.stage.classList.toggle("fit", fit);
    rescale(fit);
  };
  scale.addEventListener("click", () => { fit = !fit; draw(); });
  find("secure").addEventListener("click", secure);
  find("leave").addEventListener("click", leave);
  find("full").addEventListener("click", async () => {
    await parts.stage.requestFullscreen();
    if (navigator.keyboard && navigator.keyboard.lock) await navigator.keyboard.lock().catch(() => {});
    find("screen").focus();
  });
  draw();
}

show("ready", words.ready);
