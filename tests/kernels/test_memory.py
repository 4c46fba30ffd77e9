"""Large outputs use the memory of tensors that are gone, and never that of tensors that are not."""

import gc
import sys

import pytest
import torch

from silif_plugins.kernels.memory import LARGE, REUSED, SLACK, Pool, empty, empty_like

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is only used again on Linux")


def test_memory_is_used_again_only_when_nothing_refers_to_it():
    pool = Pool()
    first = pool.empty(5000)
    view = first[10:20]
    address = first.data_ptr()
    del first
    second = pool.empty(5000)
    assert second.data_ptr() != address
    second.fill_(7)
    view.fill_(1)
    assert (second == 7).all()
    del view
    gc.collect()
    assert pool.empty(5000).data_ptr() == address


def test_little_more_is_kept_than_was_used_at_once():
    pool = Pool()
    tensors = [pool.empty(1000) for _ in range(3)]
    del tensors
    gc.collect()
    for size in range(2000, 2500):
        pool.empty(size)
        assert pool._kept == sum(waiting for waiting, _ in pool._waiting)
        assert pool._used + pool._kept <= 3000 * SLACK


def test_small_tensors_of_two_kinds_of_batches_all_wait():
    pool = Pool(spare=8000)
    for _ in range(3):  # training, validation
        for size in (1000, 2000):
            tensors = [pool.empty(size) for _ in range(4)]
            del tensors
            gc.collect()
    assert pool._made == 8


def test_a_loop_of_several_sizes_needs_no_new_memory_after_its_first_round():
    pool, made = Pool(), []
    for _ in range(4):
        large = [pool.empty(100_000) for _ in range(6)]
        small = [pool.empty(5_000), pool.empty(6_000)]
        del large[3:]
        more = [pool.empty(7_000), pool.empty(100_000)]
        del large, small, more
        gc.collect()
        made.append(pool._made)
    assert made[1:] == made[:1] * 3


def test_tensors_do_not_share_cache_lines_of_their_pages():
    pool = Pool()
    tensors = [pool.empty(LARGE) for _ in range(4)]
    assert len({tensor.data_ptr() % 4096 for tensor in tensors}) == 4
    assert all(tensor.data_ptr() % 64 == 0 for tensor in tensors)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layout_follows_the_input(dtype):
    like = torch.empty(20, 100, 1024, dtype=dtype).transpose(0, 1)
    tensor = empty_like(like)
    assert (tensor.shape, tensor.stride(), tensor.dtype) == (like.shape, like.stride(), dtype)
    tensor.fill_(3)
    assert tensor.sum() == 3 * like.numel()


def test_any_shape_is_used_again():
    like = torch.empty(0, dtype=torch.float64)
    first = empty(like, (3, REUSED // 8))
    assert (first.shape, first.dtype, first.is_contiguous()) == ((3, REUSED // 8), torch.float64, True)
    address = first.data_ptr()
    del first
    gc.collect()
    assert empty(like, (REUSED // 8, 3)).data_ptr() == address
    assert empty(like, (0, 5)).shape == (0, 5)
