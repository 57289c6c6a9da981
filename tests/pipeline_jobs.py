"""The jobs of the smallest experiment, as `planned` names them, by what makes them stale."""

ACCURACIES = {"table_adversarial_accuracy", "figure_accuracy_curve", "figure_accuracy_bars"}
ACCURACIES |= {"table_differences"}
SIZES = {"table_robustness", "figure_survival"}
TRADE_OFF = {"table_trade_off"}
# Shows every other record, so it comes with any job; of these, costs are made from all others too.
PAGE = {"report"}
COSTS = {"table_costs"} | PAGE
VERDICTS = {"table_checks"}
CARDS = {"card plain", "card retinal"}
REPORT = {"collect"} | ACCURACIES | SIZES | TRADE_OFF | COSTS | VERDICTS | CARDS
SAMPLES, SAMPLING = {"figure_dataset_samples"}, {"figure_retinal_sampling"}
IMAGES = {"table_data"}
# Both models are run for it.
EXAMPLE = {"figure_adversarial_example"}
FIGURES = {name for name in REPORT if name.startswith("figure")} | SAMPLES | SAMPLING | EXAMPLE
PLAIN_ATTACKS = {"attack plain 0 pgd 0.01", "attack plain 0 pgd 8_255"}
RETINAL_ATTACKS = {"attack retinal 0 pgd 0.01", "attack retinal 0 pgd 8_255"}
# Checks read the rows of every attack on their model.
PLAIN_CHECKS = {"check_rows plain 0", "check_cheap plain 0"}
RETINAL_CHECKS = {"check_rows retinal 0", "check_cheap retinal 0"}
CHECKS = PLAIN_CHECKS | RETINAL_CHECKS
PLAIN = {"train plain 0"} | PLAIN_ATTACKS | PLAIN_CHECKS | EXAMPLE
RETINAL = {"train retinal 0"} | RETINAL_ATTACKS | RETINAL_CHECKS | EXAMPLE
EVERYTHING = {"shard"} | PLAIN | RETINAL | REPORT | FIGURES | IMAGES
