import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `import reference_step`, whatever pytest's import mode
