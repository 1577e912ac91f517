"""The state of a run between two steps: taken out of it, and put back as if nothing had happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..errors import InputError
from .output import Where
from .training import Training
from .warm import Trained, Weights, weights_of

if TYPE_CHECKING:
    from .run import Run

Block = Callable[[], Mapping[str, Tensor]]

#: Bytes of finished planes in one block: enough for few files, little enough to be written in a moment.
_BLOCK = 16 * 2**20


@dataclass(frozen=True, eq=False)
class Snapshot:
    """All that a run needs to go on, in plain numbers.

    What follows from the image and the settings is left out and made anew; so is ``x_m``, from the weights
    that made it.

    Attributes
    ----------
    numbers
        Counters, settings and names: whatever JSON can hold.
    blocks
        Functions that return tensors on the CPU, by name. A block never changes: one that was stored under
        its name once need not be asked for again.
    """

    numbers: Mapping[str, Any]
    blocks: Mapping[str, Block]


#: Offered a snapshot at each moment that has one: called with the function that takes it, and whether the
#: run was asked to stop, so that this is the last one.
Keep = Callable[[Callable[[], Snapshot], bool], None]


def capture(run: Run) -> Snapshot:
    """Return the state of `run`, which must stand between two steps or two planes.

    Raises
    ------
    EngineError
        If the training has diverged.
    """
    run.fetch_losses()
    blocks: dict[str, Block] = {f"live-{run.group}-{run.step}": partial(_live, run)}
    if run.guide is not None:
        blocks[_guide_name(run.group, run.guide_step)] = partial(dict, run.guide)
    before = run.trained[: run.group]
    for number, network in enumerate(before):
        if network is not None:
            blocks[f"trained-{number}"] = partial(_both, network)
    for name, places in _done_blocks(run, run.group):
        blocks[name] = partial(_outputs, run, places)
    for name, planes in _plane_blocks(run, run.finished):
        blocks[name] = partial(_estimates, run, planes)
    numbers = {
        "config": run.config.to_dict(),
        "device": run.device.type,
        "dtype": str(run.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "group": run.group,
        "begun": run.begun,
        "step": run.step,
        "steps_before": run.steps_before,
        "cycle": run.cycle,
        "guide_step": run.guide_step if run.guide is not None else None,
        "refresh_due": run.refresh_due,
        "continued": run.continued,
        "finished": list(run.finished),
        "trained": [
            None if n is None else [n.center, n.spread, n.context, n.guide is not None]
            for n in before
        ],
        "seconds": run.clock.seconds,
        "work": run.clock.done,
        "own": run.own_numbers(),
    }
    return Snapshot(numbers, blocks)


def settled(snapshot: Snapshot) -> Snapshot:
    """Return `snapshot` with all its tensors in hand, so that the run may go."""
    return Snapshot(snapshot.numbers, {n: partial(dict, b()) for n, b in snapshot.blocks.items()})


def restore(run: Run, snapshot: Snapshot) -> None:
    """Bring `run`, which has not begun, into the state of `snapshot`.

    Raises
    ------
    InputError
        If the snapshot was taken on another kind of device, or does not fit the run.
    """
    try:
        _restore(run, snapshot)
    except InputError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise InputError(
            "The checkpoint is damaged, or of another run "
            f"({type(error).__name__}: {error!s:.100}). Delete it to begin anew."
        ) from error


def _restore(run: Run, snapshot: Snapshot) -> None:
    numbers, blocks = snapshot.numbers, snapshot.blocks
    if numbers["device"] != run.device.type:
        raise InputError(
            f"The run was begun on the device {numbers['device']} and can go on there alone, not on "
            f"{run.device.type}. Choose that device, or delete the checkpoint to begin anew."
        )
    config = Config.from_dict(numbers["config"])
    # On a computer with another fastest type the run goes on with the one that it began with.
    run.dtype = {"bfloat16": torch.bfloat16, "float32": torch.float32}[numbers["dtype"]]
    run.group = int(numbers["group"])
    # The sizes of patches are chosen by the iterations that there were to be when the network began.
    run.config = config.replace(iterations=int(numbers.get("begun", config.iterations)))
    run.training = training = run.begin(run.group)
    run.begun, run.config = run.config.iterations, config
    training.steer(run.informed)
    run.steps_before, run.step = int(numbers["steps_before"]), int(numbers["step"])
    run.cycle = int(numbers["cycle"])
    run.refresh_due, run.continued = bool(numbers["refresh_due"]), bool(numbers["continued"])
    for number, found in enumerate(numbers["trained"]):
        run.trained.append(_trained(found, blocks, number, config.tap_distance))
    run.take_numbers(numbers.get("own", {}))
    for name, places in _done_blocks(run, run.group):
        _fill_output(run, places, blocks[name]())
    if numbers["guide_step"] is not None:
        run.guide_step = int(numbers["guide_step"])
        run.guide = dict(blocks[_guide_name(run.group, run.guide_step)]())
        _load_weights(training, run.guide)
        training.begin_cycle(run.denoised())
    live = blocks[f"live-{run.group}-{run.step}"]()
    _load_weights(training, _part(live, "network."))
    _load_optimizers(training, live)
    training.generator.set_state(live["generator"])
    run.losses = [live["losses"].numpy()]
    run.last_loss = live["last_loss"].numpy()
    run.finished = [int(plane) for plane in numbers["finished"]]
    if run.finished:
        run.final = torch.empty_like(training.planes.noisy)
        for name, planes in _plane_blocks(run, run.finished):
            block = blocks[name]()
            for plane in planes:
                run.final[plane] = _like(block[str(plane)], run.final[plane])
    run.clock.hold(-float(numbers["seconds"]))
    run.clock.done = float(numbers["work"])
    run.notes.extend(_notes(run, numbers))


def _notes(run: Run, numbers: Mapping[str, Any]) -> Iterator[str]:
    step = run.steps_before + run.step
    yield f"Went on from a checkpoint at iteration {step} of {run.iterations()}."
    threads = torch.get_num_threads()
    if run.device.type == "cpu" and numbers["threads"] != threads:
        yield (
            f"The run was begun with {numbers['threads']} CPU threads and went on with {threads}: its "
            f"result differs by rounding from that of one go (--threads {numbers['threads']} would not)."
        )
    if numbers["torch"] != str(torch.__version__):
        yield f"The run was begun with PyTorch {numbers['torch']}, another version than this one."


# ------------------------------------------------------------------- the network in training


def _live(run: Run) -> dict[str, Tensor]:
    training = run.training
    found = {f"network.{name}": value for name, value in weights_of(training.network).items()}
    for i, optimizer in enumerate(training.optimizers):
        for j, parameter in enumerate(_parameters(optimizer)):
            for name, value in optimizer.state.get(parameter, {}).items():
                found[f"optimizer.{i}.{j}.{name}"] = value.detach().cpu().clone()
    losses = np.concatenate(run.losses) if run.losses else np.zeros((0, 3), np.float32)
    found["generator"] = training.generator.get_state()
    found["losses"] = torch.from_numpy(losses)
    found["last_loss"] = torch.from_numpy(run.last_loss)
    return found


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _load_weights(training: Training, weights: Weights) -> None:
    wanted = training.network.state_dict()
    if wanted.keys() != weights.keys():
        raise ValueError("its network has another form")
    training.network.load_state_dict({n: _like(weights[n], wanted[n]) for n in wanted})


def _load_optimizers(training: Training, live: Mapping[str, Tensor]) -> None:
    for i, optimizer in enumerate(training.optimizers):
        parameters = _parameters(optimizer)
        fused = bool(optimizer.param_groups[0].get("fused"))
        for key, value in _part(live, f"optimizer.{i}.").items():
            j, name = key.split(".", 1)
            parameter = parameters[int(j)]
            if value.ndim == 0:  # Adam counts its steps, on the device if its kernel is fused
                state = value.clone().to(parameter.device if fused else "cpu")
            else:
                # In the parameter's own order of memory, which fused kernels rely on.
                state = torch.zeros_like(parameter).copy_(_like(value, parameter))
            optimizer.state[parameter][name] = state


def _like(value: Tensor, model: Tensor) -> Tensor:
    if value.shape != model.shape or value.dtype != model.dtype:
        raise ValueError(f"{tuple(value.shape)} where {tuple(model.shape)} is needed")
    return value


def _guide_name(group: int, step: int) -> str:
    return f"guide-{group}-{step}"


# ------------------------------------------------------------------- networks and planes that are finished


def _both(network: Trained) -> dict[str, Tensor]:
    found = {f"final.{name}": value for name, value in network.weights.items()}
    return found | {f"guide.{name}": value for name, value in (network.guide or {}).items()}


def _trained(found: Any, blocks: Mapping[str, Block], number: int, dilation: int) -> Trained | None:
    if found is None:
        return None
    center, spread, context, guided = found
    both = blocks[f"trained-{number}"]()
    guide = _part(both, "guide.") if guided else None
    weights = _part(both, "final.")
    return Trained(weights, guide, float(center), float(spread), int(context), dilation)


def _part(tensors: Mapping[str, Tensor], start: str) -> dict[str, Tensor]:
    return {n.removeprefix(start): v for n, v in tensors.items() if n.startswith(start)}


def _plane_blocks(run: Run, planes: list[int]) -> Iterator[tuple[str, list[int]]]:
    """Yield names and members of the blocks that hold the denoised `planes` of the current network."""
    size = run.training.planes.noisy[0].numel() * 4
    for first, last in _spans(len(planes), size):
        yield f"planes-{run.group}-{first}-{last}", planes[first:last]


def _estimates(run: Run, planes: list[int]) -> dict[str, Tensor]:
    assert run.final is not None
    return {str(plane): run.final[plane].cpu() for plane in planes}


def _done_blocks(run: Run, groups: int) -> Iterator[tuple[str, list[Where]]]:
    """Yield names and members of the blocks that hold the output of the first `groups` networks."""
    for group in range(groups):
        places = run.places(group)
        if not places:
            continue
        size = sum(array.nbytes for array in run.output.parts(places[0]).values())
        for first, last in _spans(len(places), size):
            yield f"done-{group}-{first}-{last}", places[first:last]


def _spans(count: int, size: int) -> Iterator[tuple[int, int]]:
    each = max(1, _BLOCK // max(1, size))
    for first in range(0, count, each):
        yield first, min(first + each, count)


def _outputs(run: Run, places: list[Where]) -> dict[str, Tensor]:
    # As bytes: not every type of an image is one of PyTorch's.
    return {
        _place_name(place, name): torch.from_numpy(
            np.frombuffer(bytearray(part.tobytes()), np.uint8)
        )
        for place in places
        for name, part in run.output.parts(place).items()
    }


def _fill_output(run: Run, places: list[Where], block: Mapping[str, Tensor]) -> None:
    for place in places:
        for name, part in run.output.parts(place).items():
            stored = np.frombuffer(block[_place_name(place, name)].numpy().tobytes(), part.dtype)
            part[...] = stored.reshape(part.shape)


def _place_name(place: Where, name: str) -> str:
    return ".".join([*(str(i) for i in place), name])
