// Shows a VNC desktop with noVNC; its clipboard is closed here and in the relay.
import RFB from "/vendor/novnc-1.7.0/core/rfb.js";
import { explain, onSubmit, onTools, show, socketAddress, takeTicket, words } from "/frame.js";

const screen = document.getElementById("screen");
let rfb;

async function connect({ password }) {
  const ticket = await takeTicket();
  const stage = document.getElementById("stage");
  stage.hidden = false; // noVNC measures its place when it starts
  const mine = new RFB(screen, `${socketAddress}?ticket=${encodeURIComponent(ticket)}`, {
    credentials: { password: password || "" }, wsProtocols: ["binary"], shared: true,
  });
  rfb = mine;
  let fallback = { text: words.failed, fix: words.failedFix };
  mine.scaleViewport = stage.classList.contains("fit");
  mine.addEventListener("connect", () => {
    fallback = { text: words.network, fix: words.networkFix };
    show("connected", words.connected);
    mine.focus();
  });
  mine.addEventListener("securityfailure", () => {
    fallback = { text: words.credentials, fix: words.credentialsFix };
  });
  mine.addEventListener("disconnect", async (event) => {
    rfb = undefined;
    if (document.fullscreenElement) await document.exitFullscreen();
    await explain(event.detail.clean ? { text: words.ended, fix: "" } : fallback);
  });
}

onTools({
  rescale: (fit) => { if (rfb) rfb.scaleViewport = fit; },
  secure: () => rfb && rfb.sendCtrlAltDel(),
  leave: () => rfb && rfb.disconnect(),
});
onSubmit(connect);
