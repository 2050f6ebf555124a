"""Floor 4: Hessian-free online certified unlearning (Qiao et al., ICLR 2025)."""
