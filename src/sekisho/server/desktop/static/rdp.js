// Shows an RDP desktop with IronRDP, whose ends of NLA are here and at the host: the gate carries
// them and cannot read the password.
import { explain, onSubmit, onTools, show, socketAddress, takeTicket, words } from "/frame.js";
import { scanCodes } from "/keys.js";

const LIBRARY = "/vendor/iron-remote-desktop-rdp-0.7.0.js";
const WRONG_PASSWORD = 1, LOGON_FAILURE = 2, ACCESS_DENIED = 3;
const canvas = document.getElementById("screen");
const stage = document.getElementById("stage");
let library, session;

async function load() {
  if (!library) {
    show("connecting", words.loading);
    library = await import(LIBRARY);
    await library.init("ERROR");
    show("connecting", words.connecting);
  }
  return library.Backend;
}

function send(...events) {
  if (!session) return;
  const { InputTransaction } = library.Backend;
  const transaction = new InputTransaction();
  for (const event of events) transaction.addEvent(event);
  session.applyInputs(transaction);
}

function size(DesktopSize) {
  const box = document.querySelector("main").getBoundingClientRect();
  // [MS-RDPBCGR] 2.2.1.3.2: 200 to 8192; widths are even.
  const within = (value) => Math.max(200, Math.min(8192, Math.floor(value)));
  return new DesktopSize(within(box.width) & ~1, within(box.height));
}

async function connect({ user, password, domain, keys }) {
  const { SessionBuilder, DesktopSize } = await load();
  const ticket = await takeTicket();
  const builder = new SessionBuilder()
    .username(user).password(password).serverDomain(domain || "")
    .destination("host").proxyAddress(`${socketAddress}?keys=${keys}`).authToken(ticket)
    .desktopSize(size(DesktopSize)).renderCanvas(canvas)
    .setCursorStyleCallback((style) => { canvas.style.cursor = style; })
    .setCursorStyleCallbackContext(null)
    .canvasResizedCallback(() => {})
    .extension(library.displayControl(false));
  try {
    session = await builder.connect();
  } catch (error) {
    const kind = error && error.kind ? error.kind() : 0;
    const refused = [WRONG_PASSWORD, LOGON_FAILURE, ACCESS_DENIED].includes(kind);
    await explain(refused
      ? { text: words.credentials, fix: words.credentialsFix }
      : { text: words.failed, fix: words.failedFix });
    return;
  }
  document.querySelector("#ask [name=password]").value = "";
  show("connected", words.connected);
  canvas.focus();
  let fallback = { text: words.ended, fix: "" };
  try {
    await session.run();
  } catch {
    fallback = { text: words.network, fix: words.networkFix };
  }
  session = undefined;
  if (document.fullscreenElement) await document.exitFullscreen();
  await explain(fallback);
}

function onKey(event) {
  const code = scanCodes.get(event.code);
  if (code === undefined || !session) return;
  event.preventDefault();
  event.stopPropagation();
  const { DeviceEvent } = library.Backend;
  send(event.type === "keydown" ? DeviceEvent.keyPressed(code) : DeviceEvent.keyReleased(code));
}

function place(event) {
  const box = canvas.getBoundingClientRect();
  const across = ((event.clientX - box.left) * canvas.width) / box.width;
  const down = ((event.clientY - box.top) * canvas.height) / box.height;
  const within = (value, most) => Math.max(0, Math.min(most - 1, Math.round(value)));
  return library.Backend.DeviceEvent.mouseMove(within(across, canvas.width), within(down, canvas.height));
}

canvas.addEventListener("keydown", onKey);
canvas.addEventListener("keyup", onKey);
canvas.addEventListener("blur", () => session && session.releaseAllInputs());
canvas.addEventListener("contextmenu", (event) => event.preventDefault());
canvas.addEventListener("pointermove", (event) => session && send(place(event)));
canvas.addEventListener("pointerdown", (event) => {
  if (!session) return;
  event.preventDefault();
  canvas.focus();
  canvas.setPointerCapture(event.pointerId);
  send(place(event), library.Backend.DeviceEvent.mouseButtonPressed(event.button));
});
canvas.addEventListener("pointerup", (event) => {
  if (session) send(place(event), library.Backend.DeviceEvent.mouseButtonReleased(event.button));
});
canvas.addEventListener("wheel", (event) => {
  if (!session) return;
  event.preventDefault();
  const vertical = event.deltaY !== 0;
  const amount = -(vertical ? event.deltaY : event.deltaX);
  send(library.Backend.DeviceEvent.wheelRotations(vertical, amount, event.deltaMode));
}, { passive: false });

onTools({
  rescale: () => stage.scrollTo(0, 0),
  secure: () => {
    const { DeviceEvent } = library.Backend;
    const keys = ["ControlLeft", "AltLeft", "Delete"].map((name) => scanCodes.get(name));
    send(...keys.map((key) => DeviceEvent.keyPressed(key)));
    send(...keys.reverse().map((key) => DeviceEvent.keyReleased(key)));
    canvas.focus();
  },
  leave: () => session && session.shutdown(),
});
onSubmit(connect);
