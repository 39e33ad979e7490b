"""An exchange in a box: matching kernels, markets, and a server that speaks real protocols."""
