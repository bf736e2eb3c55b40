"""What outlives a process: the folder of a run, checkpoints, files written whole, earlier configs."""
