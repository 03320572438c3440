"""Sentences in other languages, written for this project, so that the rule ``language`` has work.

None shares many words with English function words, so each is recognised whatever stands beside it.
"""

SENTENCES = {
    "de": (
        "Ich glaube nicht, dass höhere Strafen irgendjemanden zum Nachdenken bringen würden.",
        "Unsere Nachbarn haben jahrelang gewartet, bis endlich eine neue Schule gebaut wurde.",
        "Wer jeden Morgen mit dem Fahrrad zur Arbeit fährt, sieht die Stadt mit anderen Augen.",
        "Das Gesetz schützt vor allem diejenigen, die ohnehin genügend Geld besitzen.",
        "Meine Großmutter erzählte häufig von den kalten Wintern nach dem Krieg.",
        "Deshalb halte ich diesen Vorschlag für ungerecht und obendrein für viel zu teuer.",
    ),
    "fr": (
        "Je pense que cette mesure coûterait beaucoup trop cher aux petites communes.",
        "Mes voisins travaillent tous les dimanches et personne ne leur demande leur avis.",
        "Il faudrait plutôt former les jeunes médecins et leur offrir un logement convenable.",
        "Depuis vingt ans, les trains de nuit disparaissent les uns après les autres.",
        "Cette comparaison ne tient pas debout, car les deux situations sont très différentes.",
        "Quand j'étais enfant, la bibliothèque du village restait ouverte jusqu'à vingt heures.",
    ),
    "es": (
        "Creo que nadie debería pagar dos veces por el mismo servicio público.",
        "Mis vecinos trabajan los domingos y nunca reciben ninguna compensación por ello.",
        "Los jóvenes buscan vivienda durante meses y después terminan lejos del centro.",
        "Esta propuesta beneficiaría solamente a quienes tienen suficiente dinero ahorrado.",
        "Cuando era pequeño, nuestra escuela tenía una huerta y dos maestros muy pacientes.",
        "Por eso pienso que debemos cambiar la ley antes del próximo verano.",
    ),
    "nl": (
        "Volgens mij helpt zo'n verbod niemand, behalve misschien de grote winkels buiten de stad.",
        "Onze buren moesten jarenlang wachten voordat er eindelijk een nieuwe brug kwam.",
        "Wie elke dag met de fiets naar zijn werk gaat, kijkt heel anders naar het verkeer.",
        "Het lijkt mij eerlijker om de kosten gelijk over alle bewoners te verdelen.",
        "Mijn grootvader vertelde vaak over de strenge winters tijdens zijn jeugd.",
        "Daarom vind ik dit voorstel onrechtvaardig en bovendien veel te duur.",
    ),
}
