package synth

import "strings"

// What facts are made of. None of these words occurs in the filler below.
var (
	placeNames     = strings.Fields("Alder Birchwood Calder Dunmore Elmsford Fairholm Glenrock Hartwell Inverlea Jasperton Kestrel Larkhill Marlow Northgate Oakhurst Penrose Quarley Ravensworth Silverdale Thornbury Underhill Vantage Westmere Yarrow Zephyr Ashcombe Brackley Coldwater Drayton Eastmoor")
	placeKinds     = strings.Fields("Museum Observatory Library Harbour Mill Archive Theatre Depot Station Garden")
	attributeNames = strings.Split("access code,registration number,catalogue number,vault number,telephone extension,delivery code,inventory number,membership number", ",")
	townNames      = strings.Fields("Arnvik Belmora Castrel Dorvane Estoril Fenwick Galdona Hollin Istrana Jorvale Kelmar Lunden Mirasol Novelda Ostrava Pelagia Quintara Rosvik Savona Tarland Ulvang Verona Wendel Xanten Ystad Zelden")
	firstNames     = strings.Fields("Ada Bruno Clara Dmitri Elena Farid Greta Hugo Ines Jonas Katya Liam Mira Nadia Oscar Petra Quentin Rosa Stefan Tilda Umar Vera Walter Ximena Yusuf Zora")
	lastNames      = strings.Fields("Abbott Berger Castell Dimitrov Eriksen Fontaine Gallo Haddad Ivanov Jansen Keller Lindqvist Moreau Novak Okafor Petrov Quist Rossi Santos Tanaka Ueda Vogel Weber Xu Yilmaz Zimmer")
	things         = strings.Split("sealed letter,brass compass,old ledger,silver locket,blue notebook,iron key,carved flute,signed map", ",")
	goods          = strings.Fields("barley copper timber wool salt honey linen amber cotton pepper slate cocoa")
	regionNames    = strings.Fields("North South East West Central Coastal")
)

// vocabulary fills the gaps of the sentences.
var vocabulary = map[string][]string{
	"noun": strings.Fields(`afternoon agreement airport ambition ancestor anthem apartment appetite apprentice argument armchair arrival artist
		assembly attic audience author autumn avenue bakery balcony ballad bargain barrel basement beach bell bicycle blanket blossom boat bookcase border
		bottle boundary branch bread breeze bridge brook brother building butcher cabin calendar camera candle canvas canyon captain caravan carpenter
		carpet carriage castle ceiling ceremony chapel chapter chimney choir circle citizen climate clock cloud coast collector colony column comet
		committee companion concert conversation corner corridor council countryside courtyard cousin craft creek crowd curtain custom dancer daughter
		debate decision departure desert design dialect diary dinner disaster discovery district doctor doorway drawing dream driver duty earthquake
		editor election electrician emperor engine entrance envelope errand evening evidence exhibition expedition factory farmer feast fence ferry
		festival fisherman flag flame flood floor flower forest fortress fountain fragment friend frontier funeral furniture galaxy gallery gardener
		gate gesture glacier glass goldsmith governor grandfather grass guest guide guitar hallway hammer handwriting harvest hillside historian
		holiday horizon horse hospital hotel household hunter idea illness immigrant industry inn insect inspector instrument invention invitation
		island jacket jewel journal journey judge jungle kingdom kitchen ladder lake lamp landlord landscape language lantern laughter lawyer
		leader lecture legend lesson lighthouse lightning line listener luggage machine magazine mansion marble market marriage mason mayor meadow
		meal medicine melody memory merchant message meteor midwife miner minister mirror mist monument moon morning mosaic mother mountain
		movement musician mystery neighbour newspaper night notebook novel nurse oak ocean office opera opinion orchard orchestra organist
		orphan painter palace paper parade parliament passage passenger pasture path patience patient pavement peasant pebble pharmacy philosopher
		photograph physician pianist picture pilgrim pilot planet platform playground poem poet portrait postcard potter prayer president priest
		printer prisoner procession professor promise proverb province pupil quarrel quarry question railway rain rehearsal reporter restaurant
		reunion rhythm river road roof room rumour sailor sandstone scholar school scientist sculptor seaside season secret sentence servant settlement
		shadow shelter shepherd shoemaker shoreline shoulder signal silence singer sister sketch snow soldier solution song speech spring square
		staircase stranger street student studio summer sunset surgeon surprise tailor teacher telescope temple tenant thunder ticket tower
		tradition traveller treasure treaty tree tunnel uncle uniform university valley vessel veteran view village vineyard violin visitor voice
		volcano voyage wagon waiter wall warehouse watchmaker waterfall weather weaver wedding weekend wheel widow wilderness window winter witness
		woodland workshop writer yard`),
	"adjective": strings.Fields(`absent ancient anxious awkward bitter bold brave brief bright brisk broad broken busy calm careful cautious charming
		cheerful civil clever clumsy cold common complex cool costly crooked cruel curious damp daring dark dear deep delicate dense dim distant
		double dry dull dusty eager early easy elegant empty enormous exact faint familiar famous fancy fierce final fine firm foggy foreign
		forgotten formal fragile frequent fresh friendly frozen gentle genuine gloomy golden graceful grand grateful grave great green guilty handsome
		harsh heavy hidden high hollow honest humble idle immense innocent jealous jolly keen large late lazy lively local lonely long loose loud
		loyal lucky mild minor modern modest muddy mute narrow neat nervous noble noisy obscure odd official ordinary pale patient peaceful
		peculiar plain pleasant polite poor popular precious private proper proud public pure quick quiet rapid rare raw ready recent remote
		restless rich rigid ripe rough round royal rude rural sacred sad scarce secret severe shallow sharp short shy silent simple slender slight
		slow smooth sober soft solemn solid sour splendid steady steep stern stiff strange strict stubborn sudden sunny sweet swift tall tame
		tender thick thin tidy tiny tired tough tranquil upright useful vacant vague vast vivid warm weary wet wide wild wise wooden worn young`),
	"verb": strings.Fields(`abandoned accepted accompanied admired adored advised altered announced approached arranged assisted avoided banned blamed
		blessed borrowed brought built called carried celebrated challenged changed chased chose cleaned closed collected comforted compared completed
		copied covered crossed decorated defended delayed delivered described designed destroyed discovered disliked drew encountered encouraged
		enjoyed entered envied escorted examined explained explored feared fetched filled finished followed forgave forgot found framed gathered
		greeted guarded guided heard helped hid ignored imagined imitated improved inherited inspected inspired interrupted invented invited joined
		judged kept knew led left lifted loved measured mended mentioned met missed moved named noticed observed obeyed opened ordered painted passed
		planned planted praised preferred prepared preserved printed protected proved purchased pursued questioned raised reached recalled received
		recognized recommended recorded refused remembered removed repaired repeated replaced reported rescued respected restored revealed saved
		searched served shared sketched studied supported surprised surrounded survived taught thanked touched trusted understood used valued visited
		warned washed watched welcomed wrapped`),
	"moved": strings.Fields(`appeared argued arrived ascended awoke began belonged changed climbed collapsed continued cried danced departed descended
		disappeared drifted emerged escaped faded failed fell floated flourished gathered hesitated hurried improved laughed lingered listened marched
		paused perished prospered remained rested retired returned rose sang settled slept smiled spoke stood stopped stumbled succeeded suffered
		trembled vanished waited walked wandered whispered withdrew worked worried`),
	"adverb": strings.Fields(`abruptly again almost alone already also always away badly barely boldly briefly calmly carefully clearly closely
		daily deeply early easily elsewhere eventually everywhere exactly eagerly faintly finally firmly freely gently gladly gradually happily hardly
		hastily honestly however inside kindly largely later lately loudly mostly nearby nearly neatly nervously never nowhere often once openly
		outside partly patiently perhaps politely proudly quickly quietly rarely readily regularly repeatedly sadly seldom sharply silently slowly
		softly somehow soon steadily still suddenly surely there tightly together twice upstairs usually warmly widely`),
	"place": phrases(`above_the_valley across_the_river along_the_coast among_the_ruins around_the_corner at_the_edge_of_the_forest
		at_the_foot_of_the_hill before_the_gates behind_the_church below_the_cliffs beneath_the_arches beside_the_road between_the_houses beyond_the_fields
		by_the_fire down_the_lane from_the_balcony in_the_capital in_the_cellar in_the_distance in_the_mountains in_the_old_quarter in_the_next_room
		inside_the_hall near_the_market off_the_main_street on_the_far_shore on_the_platform on_the_terrace opposite_the_bank outside_the_walls
		over_the_rooftops through_the_orchard toward_the_sea under_the_stairs underneath_the_bridge up_the_stream within_the_courtyard`),
	"when": phrases(`After_a_while After_the_storm All_that_day As_usual At_daybreak At_first At_last At_noon
		Before_long By_then During_the_interval Earlier_that_week Every_evening For_a_moment For_many_years From_time_to_time In_the_end In_those_days
		In_the_meantime Late_one_night Long_ago Not_long_afterwards Now_and_then On_the_following_morning On_such_occasions Once_in_a_while
		One_day Only_later Over_the_years Some_time_ago That_autumn The_day_after The_next_spring Throughout_the_winter Toward_evening
		Two_weeks_later Until_recently With_every_passing_year`),
	"because": strings.Split("although,as if,because,even though,just as,once,since,so that,though,until,when,whenever,where,while", ","),
}

// phrases cuts a list whose entries have underscores for spaces.
func phrases(list string) []string {
	all := strings.Fields(list)
	for i, p := range all {
		all[i] = strings.ReplaceAll(p, "_", " ")
	}
	return all
}

// sentences are the patterns of the filler. Their gaps name lists of the vocabulary.
const sentences = `
The {adjective} {noun} {verb} the {noun} {place}.
The {noun} {moved} {adverb}, and the {adjective} {noun} {moved} {place}.
{when}, the {noun} of the {noun} {verb} a {adjective} {noun}.
{when}, the {adjective} {noun} {moved} {adverb} {place}.
Nobody {verb} the {noun} {because} the {noun} {moved} {place}.
A {adjective}, {adjective} {noun} {moved} {place}, {because} the {noun} {verb} the {adjective} {noun}.
There was a {adjective} {noun} {place}, and it {adverb} {verb} every {noun}.
{when}, some {adjective} people {verb} the {noun}, {because} the {noun} and the {noun} {moved}.
The {noun}, which {adverb} {verb} the {noun}, {moved} {because} the {adjective} {noun} {moved}.
It was said that the {noun} {verb} the {noun} {place}, but the {adjective} {noun} {adverb} {moved}.
Both the {noun} and the {adjective} {noun} {adverb} {moved} {place}.
{when}, they {verb} the {adjective} {noun}; the {noun} {moved} {adverb}.
Without a {noun}, the {adjective} {noun} {moved}, and a {noun} {verb} the {noun}.
Most of what the {noun} {verb} was {adjective}, {because} the {noun} {adverb} {moved}.
How the {noun} {verb} the {adjective} {noun} was a {noun} that every {noun} {verb}.
{when}, neither the {noun} nor the {noun} {moved} {place}.
`
