"""Auto Scaling: the pure lifecycle, its controller, and the part of the API that moto lacks."""
