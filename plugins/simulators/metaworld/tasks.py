"""The fifty tasks: their names, their suites, and what is said of them."""

from __future__ import annotations

INSTRUCTIONS = {
    "assembly-v3": "take the ring by its handle and put it over the peg",
    "basketball-v3": "drop the ball through the hoop",
    "bin-picking-v3": "move the puck into the other bin",
    "box-close-v3": "put the lid on the box",
    "button-press-topdown-v3": "press the button down from above",
    "button-press-topdown-wall-v3": "press the button behind the wall down from above",
    "button-press-v3": "push the button in",
    "button-press-wall-v3": "push in the button behind the wall",
    "coffee-button-v3": "push the button of the coffee machine",
    "coffee-pull-v3": "pull the mug away from the coffee machine",
    "coffee-push-v3": "push the mug under the coffee machine",
    "dial-turn-v3": "turn the dial",
    "disassemble-v3": "lift the ring by its handle off the peg",
    "door-close-v3": "shut the door",
    "door-lock-v3": "turn the latch to lock the door",
    "door-open-v3": "pull the door open by its handle",
    "door-unlock-v3": "turn the latch to unlock the door",
    "drawer-close-v3": "push the drawer shut",
    "drawer-open-v3": "pull the drawer open",
    "faucet-close-v3": "turn the faucet off",
    "faucet-open-v3": "turn the faucet on",
    "hammer-v3": "take the hammer and drive the nail in",
    "hand-insert-v3": "reach into the hole in the table",
    "handle-press-side-v3": "press the handle at the side down",
    "handle-press-v3": "press the handle down",
    "handle-pull-side-v3": "pull the handle at the side up",
    "handle-pull-v3": "pull the handle up",
    "lever-pull-v3": "swing the lever a quarter turn",
    "peg-insert-side-v3": "push the peg into the hole in the side of the box",
    "peg-unplug-side-v3": "pull the peg out of the side of the box",
    "pick-out-of-hole-v3": "take the puck out of the hole and bring it to the goal",
    "pick-place-v3": "pick up the puck and bring it to the goal",
    "pick-place-wall-v3": "lift the puck over the wall and bring it to the goal",
    "plate-slide-back-side-v3": "slide the plate sideways out of the cabinet",
    "plate-slide-back-v3": "slide the plate out of the cabinet",
    "plate-slide-side-v3": "slide the plate sideways into the cabinet",
    "plate-slide-v3": "slide the plate into the cabinet",
    "push-back-v3": "pull the puck back to the goal",
    "push-v3": "push the puck to the goal",
    "push-wall-v3": "push the puck around the wall to the goal",
    "reach-v3": "move the hand to the goal",
    "reach-wall-v3": "move the hand past the wall to the goal",
    "shelf-place-v3": "put the block on the shelf",
    "soccer-v3": "push the ball into the net",
    "stick-pull-v3": "take the stick and pull the bottle with it",
    "stick-push-v3": "take the stick and push the bottle with it",
    "sweep-into-v3": "sweep the block into the hole",
    "sweep-v3": "sweep the block off the table",
    "window-close-v3": "slide the window shut",
    "window-open-v3": "slide the window open",
}
"""What a policy is told, by the name that the package gives a task; no two are told the same."""

MT10 = (
    "reach-v3",
    "push-v3",
    "pick-place-v3",
    "door-open-v3",
    "drawer-open-v3",
    "drawer-close-v3",
    "button-press-topdown-v3",
    "peg-insert-side-v3",
    "window-open-v3",
    "window-close-v3",
)
MT50 = tuple(INSTRUCTIONS)
ML10 = (
    "reach-v3",
    "push-v3",
    "pick-place-v3",
    "door-open-v3",
    "drawer-close-v3",
    "button-press-topdown-v3",
    "peg-insert-side-v3",
    "window-open-v3",
    "sweep-v3",
    "basketball-v3",
)
ML10_HELD_OUT = (
    "drawer-open-v3",
    "door-close-v3",
    "shelf-place-v3",
    "sweep-into-v3",
    "lever-pull-v3",
)
ML45_HELD_OUT = (
    "bin-picking-v3",
    "box-close-v3",
    "hand-insert-v3",
    "door-lock-v3",
    "door-unlock-v3",
)
ML45 = tuple(task for task in MT50 if task not in ML45_HELD_OUT)

SUITES = {"mt10": MT10, "mt50": MT50, "ml10": ML10, "ml45": ML45}
"""The tasks that are trained, by the name of a suite: Yu et al. 2019, arXiv 1910.10897."""

HELD_OUT = {"ml10": ML10_HELD_OUT, "ml45": ML45_HELD_OUT}
"""The tasks that are measured instead, where they are others."""

LIMIT = 500
"""Actions after which the package cuts an episode, and after which it refuses any."""
