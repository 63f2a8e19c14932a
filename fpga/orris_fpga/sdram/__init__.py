"""SDR SDRAM: chips, controller, and a model that checks a chip's timing."""
