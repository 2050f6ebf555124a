"""Ways to multiply one Hessian with many vectors; ``curvature.products`` chooses among them."""
