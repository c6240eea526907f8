"""Entry point of `./ticket-archive`."""

import sys

try:
    from ops.commands import main
except KeyboardInterrupt:  # importing takes about a second
    sys.exit(130)

if __name__ == "__main__":
    main()
