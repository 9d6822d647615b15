"""How a text becomes a template, whichever ansible-core it is."""

try:
    from ansible.template import trust_as_template
except ImportError:

    def trust_as_template(value):
        """Return it as it is: up to 2.18 every text may be a template."""
        return value

    from ansible.utils.unsafe_proxy import wrap_var as untrusted
else:

    def untrusted(value):
        """Return it as it is: since 2.19 no text is a template that nobody trusts."""
        return value


__all__ = ["trust_as_template", "untrusted"]
