"""Desktops in the browser under the gate's benchmark: how soon their pictures stop."""

import asyncio
import sys
from pathlib import Path

from bench.gate_scene import Scene
from bench.gate_tunnels import give_devices

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from support.gate_desktop import come_in, open_screen, serving_desktop


async def measure_desktop_cuts(scene: Scene, count: int) -> list[float]:
    """Look at ``count`` desktops, each on a device of its own; cut one after the other.

    Returns the milliseconds from the committed verdict to the end of each's data.
    """
    home, found = scene.home, []
    async with serving_desktop(home, scene.admin) as desk:
        screens = []
        for device in await asyncio.to_thread(give_devices, scene, count):
            shown = await asyncio.to_thread(come_in, home, scene.person, desk, device)
            screens.append(await open_screen(home, desk, device, shown))
        watching = [asyncio.create_task(each.watch()) for each in screens]
        for each in screens:
            await each.wait_for_pictures()
        for each, task in zip(screens, watching, strict=True):
            if each.ended:
                raise SystemExit(f"it ended by itself\n{home.log()}")
            committed = await asyncio.to_thread(home.fail, each.device)
            await task
            found.append((each.ended - committed) * 1000)
    return found
