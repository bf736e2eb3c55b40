import pathlib
import sys

# for `import tiny` and for the packages themselves, whatever pytest's import mode and working directory
for folder in (pathlib.Path(__file__).parent, pathlib.Path(__file__).parents[1]):
  sys.path.insert(0, str(folder))
