import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for `import drawn_export`, whatever pytest's import mode
