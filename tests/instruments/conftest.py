from tests.books import town as town
