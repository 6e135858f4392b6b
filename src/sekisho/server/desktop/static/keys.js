// Which scan code (set 1) each key sends, by its place on the keyboard: so that the 106/109 and the
// 101/102 keyboards work alike, with the layout that the host was told. Source: UI Events
// KeyboardEvent code values, sections 3.1 to 3.5, and [MS-RDPBCGR] 2.2.8.1.1.3.1.1.1.
const rows = {
  0x01: "Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab",
  0x10: "KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft",
  0x1e: "KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash",
  0x2c: "KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock",
  0x3b: "F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 Pause ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract",
  0x4b: "Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal",
  0x56: "IntlBackslash F11 F12",
  0x70: "KanaMode Lang2 Lang1 IntlRo",
};
const single = {
  Convert: 0x79, NonConvert: 0x7b, IntlYen: 0x7d, NumpadEnter: 0xe01c, ControlRight: 0xe01d,
  NumpadDivide: 0xe035, PrintScreen: 0xe037, AltRight: 0xe038, NumLock: 0xe045, Home: 0xe047,
  ArrowUp: 0xe048, PageUp: 0xe049, ArrowLeft: 0xe04b, ArrowRight: 0xe04d, End: 0xe04f,
  ArrowDown: 0xe050, PageDown: 0xe051, Insert: 0xe052, Delete: 0xe053, MetaLeft: 0xe05b,
  MetaRight: 0xe05c, ContextMenu: 0xe05d,
};
export const scanCodes = new Map(Object.entries(single));
for (const [first, names] of Object.entries(rows)) {
  names.split(" ").forEach((name, place) => scanCodes.set(name, Number(first) + place));
}
