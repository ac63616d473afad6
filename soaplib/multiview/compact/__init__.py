"""Our own generator of views: small networks guided by what the fitted head and the portrait tell."""
