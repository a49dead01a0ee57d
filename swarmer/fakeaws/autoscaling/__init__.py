"""Auto Scaling: a pure lifecycle, its controller, and the API that moto lacks."""
