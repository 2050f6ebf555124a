"""What BackPACK lacks for the book's smooth networks: softplus, and average pooling in float64."""

import torch
from backpack.core.derivatives.basederivatives import BaseDerivatives
from backpack.core.derivatives.elementwise import ElementwiseDerivatives
from backpack.extensions import DiagGGNExact, DiagHessian
from backpack.extensions.secondorder.diag_ggn.diag_ggn_base import DiagGGNBaseModule
from backpack.extensions.secondorder.diag_hessian.diag_h_base import DiagHBaseModule
from torch import nn


class _Softplus(ElementwiseDerivatives):
    """``log(1 + exp(beta x)) / beta``; above the threshold PyTorch continues it by x."""

    def hessian_is_zero(self, module):
        return False

    def df(self, module, g_inp, g_out, subsampling=None):
        slope = torch.sigmoid(module.beta * module.input0)
        return slope.masked_fill(self._straight(module), 1.0)

    def d2f(self, module, g_inp, g_out):
        slope = torch.sigmoid(module.beta * module.input0)
        return (module.beta * slope * (1 - slope)).masked_fill(self._straight(module), 0.0)

    def _straight(self, module):
        return module.beta * module.input0 > module.threshold


class _AvgPool2d(BaseDerivatives):
    """BackPACK's own makes a convolution in the default dtype, with random weights drawn first."""

    def hessian_is_zero(self, module):
        return True

    def _jac_t_mat_prod(self, module, g_inp, g_out, mat, subsampling=None):
        flat = mat.flatten(0, 1)
        like = module.input0.new_empty(()).expand(len(flat), *module.input0.shape[1:])
        pooled = torch.ops.aten.avg_pool2d_backward(
            flat, like, _pair(module.kernel_size), _pair(module.stride), _pair(module.padding),
            module.ceil_mode, module.count_include_pad, module.divisor_override,
        )  # fmt: skip
        return pooled.view(*mat.shape[:2], *module.input0.shape[1:])


def _pair(size) -> list[int]:
    return [size, size] if isinstance(size, int) else list(size)


def diag_hessian() -> DiagHessian:
    """BackPACK's extension for the diagonal of the Hessian, completed."""
    return _completed(DiagHessian(), DiagHBaseModule)


def diag_ggn() -> DiagGGNExact:
    """BackPACK's extension for the diagonal of the Gauss-Newton matrix, completed."""
    return _completed(DiagGGNExact(), DiagGGNBaseModule)


def _completed(extension, base):
    extension.set_module_extension(nn.Softplus, base(derivatives=_Softplus()))
    extension.set_module_extension(nn.AvgPool2d, base(derivatives=_AvgPool2d()), overwrite=True)
    return extension
