"""Looking at what was made: offline reports and 3D views, figures and live sliders for notebooks."""
