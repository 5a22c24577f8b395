from tests.books import town
from tests.vaults import vault, vault_dsn

__all__ = ["town", "vault", "vault_dsn"]
