
)


service.name
cart

	shop.cart