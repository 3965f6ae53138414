"""Every Triton kernel against its plain reference, on random shapes."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from midfill_engine.kernels.gpu_interface import (
    Attention,
    Choice,
    Groups,
    Matrix,
    Norm,
    Operations,
    Pages,
    Rows,
)
from midfill_engine.kernels.gpu_plain import PlainAttention, PlainOperations
from midfill_engine.model.gpu_decoder import operand_dtype
from midfill_engine.model.gpu_weights import GpuKind, quantise

pytest.importorskip("triton", reason="Triton is for Linux")

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 0.04}


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of one case, none of them round."""

    rows: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    kind: GpuKind
    bias: bool
    dtype: torch.dtype


SHAPES = (
    Shape(1, 48, 4, 2, 12, 30, "plain", True, torch.float32),
    Shape(5, 40, 2, 1, 8, 70, "int8", False, torch.float32),
    Shape(18, 64, 3, 3, 16, 44, "fp8", True, torch.float32),
    Shape(3, 52, 6, 1, 10, 33, "plain", True, torch.bfloat16),
    Shape(16, 96, 2, 2, 20, 50, "fp8", False, torch.bfloat16),
    Shape(40, 32, 2, 2, 16, 24, "int8", True, torch.bfloat16),
)


def both(device: torch.device) -> tuple[Operations, Operations]:
    from midfill_engine.kernels.triton_step import Tiling, TritonOperations

    return TritonOperations(device, Tiling(64, 64, 4, 2, splits=3)), PlainOperations()


class Case:
    """Random operands of a shape."""

    def __init__(self, shape: Shape, device: torch.device) -> None:
        self.shape = shape
        self.device = device
        self._generator = torch.Generator().manual_seed(shape.rows)

    def random(self, *sizes: int) -> torch.Tensor:
        values = torch.randn(sizes, generator=self._generator)
        return values.to(self.device, self.shape.dtype)

    def matrix(self, outputs: int, inputs: int) -> Matrix:
        bias = self.random(outputs) if self.shape.bias else None
        return quantise(self.random(outputs, inputs) / inputs**0.5, self.shape.kind, bias)

    def inputs(self, matrix: Matrix) -> torch.Tensor:
        """In what a step keeps them in: float16 for one-byte weights in a bfloat16 model."""
        values = self.random(self.shape.rows, matrix.num_inputs)
        return values.to(operand_dtype(matrix, self.shape.dtype))

    def integers(self, low: int, high: int, count: int) -> torch.Tensor:
        return torch.randint(low, high, (count,), generator=self._generator).to(self.device)


def close(found: torch.Tensor, expected: torch.Tensor, dtype: torch.dtype) -> None:
    bound = TOLERANCE[dtype]
    torch.testing.assert_close(found.float(), expected.float(), rtol=bound, atol=bound)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_norm(shape: Shape, device: torch.device) -> None:
    """In the model's dtype, and in float16 for one-byte weights."""
    case = Case(shape, device)
    hidden = case.random(shape.rows, shape.hidden)
    norm = Norm(1 + 0.2 * case.random(shape.hidden), 1e-5)
    for dtype in {shape.dtype, operand_dtype(case.matrix(8, 8), shape.dtype)}:
        found, expected = (
            torch.zeros(shape.rows, shape.hidden, dtype=dtype, device=device) for _ in "ab"
        )
        for operations, out in zip(both(device), (found, expected), strict=True):
            operations.normalise(hidden, norm, out)
        close(found, expected, shape.dtype)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_queries_keys_and_values(shape: Shape, device: torch.device) -> None:
    """Product, bias, rotation; keys and values land in their pages and nowhere else."""
    case = Case(shape, device)
    matrix = case.matrix((shape.heads + 2 * shape.kv_heads) * shape.head_dim, shape.hidden)
    inputs = case.inputs(matrix)
    angles = torch.rand(60, shape.head_dim // 2) * 6
    turns = torch.polar(torch.ones_like(angles), angles)
    rotations = torch.view_as_real(turns).contiguous().to(device)
    places = torch.randperm(3 * 60)[: shape.rows].to(device)
    rows = Rows(torch.where(places % 7 == 3, -1, places % 60), places // 60)
    table = torch.randperm(36).to(torch.int32).view(3, 12).to(device)
    outcomes: list[tuple[torch.Tensor, ...]] = []
    for operations in both(device):
        shape_of = (36, shape.kv_heads, 5, shape.head_dim)
        keys, values = (torch.full(shape_of, 9.0, dtype=shape.dtype, device=device) for _ in "kv")
        out = torch.zeros(shape.rows, shape.heads, shape.head_dim, dtype=shape.dtype, device=device)
        operations.write_qkv(inputs, matrix, rotations, rows, Pages(keys, values, table), out)
        outcomes.append((out, keys, values))
    for found, expected in zip(*outcomes, strict=True):
        close(found, expected, shape.dtype)
    written = int((rows.positions >= 0).sum()) * shape.kv_heads * shape.head_dim
    assert int((outcomes[0][1] != 9.0).sum()) == written


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products(shape: Shape, device: torch.device) -> None:
    """Gate and up, what is added to the residual, and the head."""
    case = Case(shape, device)
    hidden = case.random(shape.rows, shape.hidden)
    gate_up = case.matrix(2 * shape.inner, shape.hidden)
    down = case.matrix(shape.hidden, shape.inner)
    head = Matrix(case.random(90, shape.hidden))
    normed, given = case.inputs(gate_up), case.inputs(down)
    outcomes: list[tuple[torch.Tensor, ...]] = []
    for operations in both(device):
        inner = torch.zeros(shape.rows, shape.inner, dtype=given.dtype, device=device)
        operations.gate_up(normed, gate_up, inner)
        added = hidden.clone()
        operations.add_product(given, down, added)
        logits = torch.zeros(shape.rows, 90, device=device)
        operations.project(normed, head, logits)
        outcomes.append((inner, added, logits))
    for found, expected in zip(*outcomes, strict=True):
        close(found, expected, shape.dtype)


@pytest.mark.parametrize("splits", [1, 3, 4])
@pytest.mark.parametrize("num_inputs", [20, 70, 200])
def test_splits(splits: int, num_inputs: int, device: torch.device) -> None:
    """Blocks of 32 inputs: the last part is cut off, or there is nothing left for it.

    What no program wrote is not read, and the counters are 0 again: the second run is the first.
    """
    from midfill_engine.kernels.triton_step import Tiling, TritonOperations

    case = Case(Shape(18, 0, 0, 0, 0, 0, "int8", True, torch.bfloat16), device)
    matrix = case.matrix(40, num_inputs)
    inputs, hidden = case.inputs(matrix), case.random(18, 40)
    expected = hidden.clone()
    PlainOperations().add_product(inputs, matrix, expected)
    operations = TritonOperations(device, Tiling(16, 32, 4, 2, splits=splits))
    scratch = vars(operations)
    scratch["_parts"].fill_(float("nan"))
    for _ in range(2):
        found = hidden.clone()
        operations.add_product(inputs, matrix, found)
        close(found, expected, torch.bfloat16)
        assert not scratch["_arrived"].any()


def test_float16_ends_at_its_largest_and_keeps_nan(device: torch.device) -> None:
    """Infinity would break what one large number is harmless to; a broken model must be noticed."""
    from midfill_engine.kernels.triton_attend import TritonAttention

    hidden = torch.full((3, 16), 2.0, dtype=torch.bfloat16, device=device)
    hidden[:, 1] = -2.0
    hidden[1, 5] = float("nan")
    signed = hidden.sign().half() * 65504.0
    norm = Norm(torch.full((16,), 1e5, dtype=torch.bfloat16, device=device), 1e-5)
    same = torch.eye(16, device=device).bfloat16()
    gate_up = Matrix(torch.cat([same, 1e6 * same]))
    values = hidden.view(3, 1, 1, 16) * 1e5
    pages = Pages(
        values.nan_to_num(), values, torch.arange(3, dtype=torch.int32, device=device)[:, None]
    )
    every, one = torch.arange(3, device=device), torch.ones(3, dtype=torch.int64, device=device)
    ours = TritonAttention(
        max_rows=3, num_heads=1, num_kv_heads=1, head_dim=16, max_len=1, device=device
    )
    attentions: tuple[Attention, Attention] = (ours, PlainAttention())
    for operations, attention in zip(both(device), attentions, strict=True):
        normed, inner, attended = (
            torch.zeros(3, 16, dtype=torch.float16, device=device) for _ in range(3)
        )
        operations.normalise(hidden, norm, normed)
        operations.gate_up(hidden, gate_up, inner)
        attention.attend(
            hidden[:, None].nan_to_num(), pages, Groups(every, every, one, one), None, 0.1, attended
        )
        for out, expected in ((normed, signed), (inner, signed.abs()), (attended, signed)):
            assert torch.equal(out[[0, 2]], expected[[0, 2]])
            assert out[1].isnan().any()


@dataclass(frozen=True, slots=True)
class Attended:
    """A case of attention: (slot, count, end) of each group."""

    heads: int
    kv_heads: int
    head_dim: int
    page_len: int
    num_pages: int
    groups: tuple[tuple[int, int, int], ...]
    window: int | None
    split: int
    dtype: torch.dtype = torch.float32


ATTENDED = (
    Attended(4, 2, 12, 5, 8, ((0, 1, 1), (1, 3, 17), (2, 0, 0), (3, 2, 40)), None, 16),
    Attended(6, 2, 16, 40, 1, ((0, 5, 40), (1, 1, 33)), 7, 16),
    Attended(3, 1, 8, 7, 6, ((2, 16, 42),), None, 32),
    Attended(4, 4, 20, 16, 3, ((2, 2, 30), (0, 1, 3)), None, 16, torch.bfloat16),
)


@pytest.mark.parametrize("case", ATTENDED, ids=str)
def test_attention(case: Attended, device: torch.device) -> None:
    """Any page size, ratio and window; the same bits however many programs share a tile."""
    from midfill_engine.kernels.triton_attend import Splitting, TritonAttention

    generator = torch.Generator().manual_seed(case.heads)

    def random(*sizes: int) -> torch.Tensor:
        return torch.randn(sizes, generator=generator).to(device, case.dtype)

    shape = (4 * case.num_pages, case.kv_heads, case.page_len, case.head_dim)
    table = torch.randperm(shape[0], generator=generator).to(torch.int32)
    pages = Pages(random(*shape), random(*shape), table.view(4, -1).to(device))
    firsts = [sum(count for _, count, _ in case.groups[:idx]) for idx in range(len(case.groups))]
    slots, counts, ends = (
        torch.tensor(part, device=device) for part in zip(*case.groups, strict=True)
    )
    groups = Groups(slots, torch.tensor(firsts, device=device), counts, ends)
    num_rows = int(counts.sum())
    query = random(num_rows, case.heads, case.head_dim)

    def attend(num_processors: int) -> torch.Tensor:
        attention = TritonAttention(
            max_rows=num_rows,
            num_heads=case.heads,
            num_kv_heads=case.kv_heads,
            head_dim=case.head_dim,
            max_len=case.page_len * case.num_pages,
            device=device,
            num_processors=num_processors,
            splitting=Splitting(case.split, 16, 1),
        )
        out = torch.zeros(num_rows, case.heads * case.head_dim, dtype=case.dtype, device=device)
        attention.attend(query, pages, groups, case.window, 0.3, out)
        return out

    found = attend(64)
    expected = torch.zeros_like(found)
    PlainAttention().attend(query, pages, groups, case.window, 0.3, expected)
    close(found, expected, case.dtype)
    assert torch.equal(found, attend(1))


@pytest.mark.parametrize("window", [None, 21])
def test_page_sizes_change_no_bit(window: int | None, device: torch.device) -> None:
    """Pieces of 32 positions in pages of one piece, of several, of all; then in parts of pages."""
    from midfill_engine.kernels.triton_attend import Splitting, TritonAttention

    generator = torch.Generator().manual_seed(5)
    num_slots, num_positions, head_dim = 3, 192, 12
    query, keys, values = (
        torch.randn(sizes, generator=generator).to(device)
        for sizes in ((7, 4, head_dim), *[(num_slots, 2, num_positions, head_dim)] * 2)
    )
    slots, firsts, counts, ends = (
        torch.tensor(part, device=device)
        for part in ([2, 0, 1], [0, 4, 6], [4, 2, 1], [192, 97, 5])
    )
    groups = Groups(slots, firsts, counts, ends)

    def paged(page_len: int) -> Pages:
        num_pages = num_slots * num_positions // page_len
        table = torch.randperm(num_pages, generator=generator).to(device)

        def cut(part: torch.Tensor) -> torch.Tensor:
            pieces = part.view(num_slots, 2, -1, page_len, head_dim).transpose(1, 2).flatten(0, 1)
            return torch.empty_like(pieces).index_copy_(0, table, pieces)

        return Pages(cut(keys), cut(values), table.int().view(num_slots, -1))

    def attend(attention: Attention, page_len: int) -> torch.Tensor:
        out = torch.zeros(7, 4 * head_dim, device=device)
        attention.attend(query, paged(page_len), groups, window, 0.3, out)
        return out

    ours = TritonAttention(
        max_rows=7, num_heads=4, num_kv_heads=2, head_dim=head_dim, max_len=num_positions,
        device=device, num_processors=4, splitting=Splitting(32, 16, 2),
    )  # fmt: skip
    found = attend(ours, num_positions)
    close(found, attend(PlainAttention(), num_positions), torch.float32)
    for page_len in (96, 64, 32, 48, 24, 6):
        assert torch.equal(attend(ours, page_len), found), page_len
    assert not vars(ours)["_arrived"].any()


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_choice(device: torch.device) -> None:
    """Greedy with ties, drawn at several temperatures, drafts, and logits that are no numbers."""
    logits = torch.randn(9, 300, generator=torch.Generator().manual_seed(3)) * 3
    logits[0, 7] = logits[0, 9] = 20
    logits[5, 3] = float("nan")
    logits[6] = float("-inf")
    logits[7, 11] = float("inf")
    logits[8, :290] = float("-inf")
    temperatures = torch.tensor([0, 0, 1, 0.5, 2, 1, 0, 0, 1e-4], dtype=torch.float64)
    fractions = torch.tensor([0, 0, 0.1, 0.5, 0.999, 0.2, 0, 0, 0.9], dtype=torch.float64)
    drafts = torch.tensor([7, 0, 1, 2, 3, 4, 5, 6, 7])
    how = Choice(temperatures.to(device), fractions.to(device), drafts.to(device))
    outcomes: list[torch.Tensor] = []
    for operations in both(device):
        out = torch.zeros(9, 3, dtype=torch.float64, device=device)
        operations.choose(logits.to(device), how, out)
        outcomes.append(out.cpu())
    found, expected = outcomes
    fine = [0, 1, 2, 3, 4, 8]
    torch.testing.assert_close(found[fine], expected[fine], rtol=0, atol=2e-6)
    assert (int(found[0, 0]), float(found[0, 2])) == (7, 1.0)
    assert found[[5, 6, 7], 1].isnan().all()
    assert expected[[5, 6, 7], 1].isnan().all()
