"""How a module is given its arguments, whichever ansible-core it is. Nothing of a controller is imported here."""

import contextlib
import json

from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:
    # Up to 2.18 a module reads them from there.
    @contextlib.contextmanager
    def patch_module_args(args):
        """Give a module its arguments."""
        former, basic._ANSIBLE_ARGS = basic._ANSIBLE_ARGS, json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode()
        try:
            yield
        finally:
            basic._ANSIBLE_ARGS = former


__all__ = ["patch_module_args"]
