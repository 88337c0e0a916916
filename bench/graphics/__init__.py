"""What a graphics card does for the product beside scoring; bench/gpu.py prints the claims."""
