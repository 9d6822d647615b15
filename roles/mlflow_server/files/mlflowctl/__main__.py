"""Begins the program of this directory, as root's programs are begun: by an isolated Python that is given it.

Such a Python (-I) takes nothing from its environment, from the directory it is called in or from a home directory.
Where the program finds its parts is decided here: in the version that this is by now, whatever comes meanwhile.
"""

import fcntl
import os
import sys

# Out of the way of the descriptors that other programs hand over, or that finish.py has to have.
HIGH = 100


def main() -> int:
    """Do what the command line says."""
    package = os.path.dirname(os.path.realpath(__file__))
    library = os.path.dirname(package)
    # Instead of the directory itself, whose modules are none by their own names.
    sys.path[0] = library
    # As long as this is open, the version is not removed from the host.
    handle = os.open(package, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, HIGH)
    os.close(handle)

    from mlflowctl import cli  # noqa: PLC0415 - found by the line above

    return cli.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
