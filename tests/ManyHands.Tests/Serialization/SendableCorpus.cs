using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Collections.ObjectModel;
using System.Globalization;
using System.Net;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>One value of everything that travels, to be sent by itself and inside other things.</summary>
internal static class SendableCorpus
{
    public static readonly Dictionary<string, Action> Cases = new(
    [
        .. TimeCases(), .. TextCases(), .. NumberCases(), .. FrameworkCases(), .. ListCases(), .. KeyedCases(), .. ArrayCases(), .. InterfaceCases(), .. ObjectCases(), .. TupleCases(),
    ]);

    private static KeyValuePair<string, Action> Case<T>(string name, T value) => new(name, () =>
    {
        Journey.ArrivesEqual(value);
        Journey.ArrivesEqual(new Holder<T>(1, value, 2));
        Journey.ArrivesEqual(new[] { value, value });
        Journey.ArrivesEqual(new List<Holder<T>> { new(1, value, 2) });
    });

    // What is declared as an interface may arrive as another class, with the same items in the same order.
    private static KeyValuePair<string, Action> Items<T>(string name, IEnumerable<T> value) => new(name, () =>
    {
        Assert.Equal(Portrait.Of(value.ToArray()), Portrait.Of(Journey.Of(value).ToArray()));
        Assert.Equal(Portrait.Of(value.ToArray()), Portrait.Of(Journey.Of(new Holder<IEnumerable<T>>(1, value, 2)).Value.ToArray()));
    });

    private static IEnumerable<KeyValuePair<string, Action>> TimeCases() =>
    [
        Case("DateTime unspecified", new DateTime(2024, 2, 29, 1, 2, 3, DateTimeKind.Unspecified).AddTicks(7)),
        Case("DateTime local", new DateTime(2024, 10, 27, 2, 30, 0, DateTimeKind.Local).AddTicks(7)),
        Case("DateTime utc", new DateTime(2024, 2, 29, 1, 2, 3, DateTimeKind.Utc)),
        Case("DateTime ends", (DateTime.MinValue, DateTime.MaxValue)),
        Case("DateTimeOffset", new DateTimeOffset(2024, 1, 1, 1, 1, 1, TimeSpan.FromMinutes(-345)).AddTicks(3)),
        Case("DateTimeOffset ends", (DateTimeOffset.MinValue, DateTimeOffset.MaxValue)),
        Case("TimeSpan", (TimeSpan.MinValue, TimeSpan.MaxValue, TimeSpan.FromTicks(1))),
        Case("DateOnly and TimeOnly", (DateOnly.MaxValue, TimeOnly.MaxValue)),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> TextCases() =>
    [
        Case("string", "Grüße, 世界"),
        Case("empty string", ""),
        Case("null string", (string?)null),
        Case("emoji", "a😀b"),
        Case("lone high surrogate", "a\uD83Db"),
        Case("lone low surrogate", "\uDE00"),
        Case("zero character", "a\0b"),
        Case("char surrogate", '\uD800'),
        Case("Rune", new Rune(0x1F600)),
        Case("long string", new string('x', 100_000)),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> NumberCases() =>
    [
        Case("decimal scale", (1.0m, 1.00m, -0.0m, decimal.MaxValue, decimal.MinValue, 0.0000000000000000000000000001m)),
        Case("double zero", -0.0),
        Case("double NaN payload", BitConverter.Int64BitsToDouble(unchecked((long)0xFFF8_0000_DEAD_BEEF))),
        Case("float NaN payload", BitConverter.Int32BitsToSingle(unchecked((int)0xFFC0_BEEF))),
        Case("float signalling NaN", BitConverter.Int32BitsToSingle(0x7F80_0001)),
        Case("double ends", (double.MinValue, double.MaxValue, double.Epsilon, double.PositiveInfinity, double.NegativeInfinity)),
        Case("integers", (byte.MaxValue, sbyte.MinValue, short.MinValue, ushort.MaxValue, int.MinValue, uint.MaxValue, long.MinValue, ulong.MaxValue)),
        Case("Int128", (Int128.MinValue, UInt128.MaxValue)),
        Case("Half", (Half.NaN, Half.NegativeZero, BitConverter.UInt16BitsToHalf(0x7C01))),
        Case("BigInteger", (BigInteger.Pow(7, 200), -BigInteger.One, BigInteger.Zero)),
        Case("Complex", new Complex(-0.0, double.NaN)),
        Case("Vector3", new Vector3(1, -0f, float.NaN)),
        Case("Matrix4x4", Matrix4x4.Identity),
        Case("bool", (true, false)),
        Case("enum", DayOfWeek.Friday),
        Case("enum without name", (DayOfWeek)77),
        Case("enum of ulong", Wide.Top),
        Case("nullable", ((int?)null, (int?)3, (DateTime?)null, (Point?)new Point(1, 2))),
        Case("Index and Range", (^3, 1..^2)),
        Case("Guid", Guid.NewGuid()),
        Case("Point", new System.Drawing.Point(3, -4)),
        Case("RectangleF", new System.Drawing.RectangleF(1, 2, 3, 4)),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> FrameworkCases() =>
    [
        Case("absolute Uri", new Uri("https://user@example.com:81/a%20b?q=ü#f")),
        Case("relative Uri", new Uri("../a b?c", UriKind.Relative)),
        Case("rooted relative Uri", new Uri("/a", UriKind.Relative)),
        Case("Version", new Version(1, 2)),
        Case("Version of four", new Version(1, 2, 3, 4)),
        Case("CultureInfo", CultureInfo.GetCultureInfo("de-DE")),
        Case("writable CultureInfo", new CultureInfo("fr-CA")),
        Case("invariant CultureInfo", CultureInfo.InvariantCulture),
        Case("IPAddress", IPAddress.Parse("192.168.0.1")),
        Case("IPAddress constant", IPAddress.IPv6Loopback),
        Case("IPAddress with scope", IPAddress.Parse("fe80::1%3")),
        Case("IPEndPoint", new IPEndPoint(IPAddress.Any, 8080)),
        Case("BitArray", new BitArray([true, false, true, true, false, false, false, false, true])),
        Case("JsonElement", JsonDocument.Parse("""{"a":1.0,"a":[1e400,null,"\ud83d"]}""").RootElement),
        Case("default JsonElement", default(JsonElement)),
        Case("JsonDocument", JsonDocument.Parse("[1, 2.50]")),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> ListCases() =>
    [
        Case("List", new List<Person?> { new("a", 1, null), null }),
        Case("empty List", new List<string>()),
        Case("null List", (List<string>?)null),
        Case("List of numbers", new List<int> { 1, -2, int.MaxValue }),
        Case("List of bytes", new List<byte> { 1, 2 }),
        Case("Stack keeps its order", new Stack<int>([1, 2, 3])),
        Case("Stack of records", new Stack<Point>([new(1, 2), new(3, 4)])),
        Case("Queue", new Queue<string>(["a", "b"])),
        Case("LinkedList", new LinkedList<int>([1, 2])),
        Case("Collection", new Collection<string> { "a" }),
        Case("ObservableCollection", new ObservableCollection<string> { "a", "b" }),
        Case("ReadOnlyCollection", new ReadOnlyCollection<string>(["a", "b"])),
        Case("ConcurrentBag keeps its order", new ConcurrentBag<int>([1, 2, 3])),
        Case("ConcurrentQueue", new ConcurrentQueue<int>([1, 2, 3])),
        Case("ConcurrentStack keeps its order", new ConcurrentStack<int>([1, 2, 3])),
        Case("ImmutableArray", ImmutableArray.Create("a", "b")),
        Case("empty ImmutableArray", ImmutableArray<int>.Empty),
        Case("ImmutableList", ImmutableList.Create(new Point(1, 2))),
        Case("ImmutableQueue", ImmutableQueue.Create(1, 2, 3)),
        Case("ImmutableStack keeps its order", ImmutableStack.Create(1, 2, 3)),
        Case("ArraySegment", new ArraySegment<string>(["a", "b", "c"], 1, 1).ToArray()),
        Case("List of lists", new List<List<string?>?> { new() { "a", null }, null, new() }),
        Case("derived collection that adds nothing", new StringList { "a", "b" }),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> KeyedCases() =>
    [
        Case("Dictionary", new Dictionary<string, Person?> { ["a"] = new("a", 1, null), ["b"] = null }),
        Case("Dictionary by record", new Dictionary<Point, List<int>> { [new(1, 2)] = [1] }),
        Case("Dictionary by number", new Dictionary<int, double> { [3] = -0.0 }),
        Case("Dictionary by ordinal", new Dictionary<string, int>(StringComparer.Ordinal) { ["a"] = 1, ["A"] = 2 }),
        Case("Dictionary that ignores case", new Dictionary<string, Point>(StringComparer.OrdinalIgnoreCase) { ["a"] = new(1, 2), ["\uD800"] = default }),
        Case("HashSet that ignores case", new HashSet<string?>(StringComparer.OrdinalIgnoreCase) { "a", null }),
        Case("Dictionary of itself", new Registry("a", new(StringComparer.OrdinalIgnoreCase) { ["b"] = new("c", []) })),
        Case("SortedDictionary", new SortedDictionary<int, string> { [2] = "b", [1] = "a" }),
        Case("SortedSet of texts", new SortedSet<string> { "b", "a", "B" }),
        Case("SortedSet by ordinal", new SortedSet<string?>(StringComparer.Ordinal) { "b", "Z", "ä", null }),
        Case("SortedSet that ignores case", new SortedSet<string?>(StringComparer.OrdinalIgnoreCase) { "b", "Z" }),
        Case("SortedDictionary by ordinal", new SortedDictionary<string, int>(StringComparer.Ordinal) { ["b"] = 1, ["Z"] = 2 }),
        Case("SortedList by ordinal", new SortedList<string, int>(StringComparer.Ordinal) { ["b"] = 1, ["Z"] = 2 }),
        Case("ImmutableSortedSet by ordinal", ImmutableSortedSet.Create(StringComparer.Ordinal, "b", "Z")),
        Case("ImmutableSortedDictionary by ordinal", ImmutableSortedDictionary.Create<string, int>(StringComparer.Ordinal).Add("b", 1).Add("Z", 2)),
        Case("SortedDictionary of records", new SortedDictionary<(int, double), Person?> { [(1, double.NaN)] = new("a", 1, null), [(0, -0.0)] = null }),
        Case("HashSet of records", new HashSet<Person?> { new("a", 1, null), null, new("a", 2, null) }),
        Case("Dictionary after removals", Thinned(new Dictionary<int, int>(Enumerable.Range(0, 9).Select(static number => KeyValuePair.Create(number, number))))),
        Case("ImmutableHashSet of records", ImmutableHashSet.Create(new Point(1, 2), new Point(3, 4))),
        Case("ConcurrentDictionary of records", new ConcurrentDictionary<Person, Person?> { [new("a", 1, null)] = null }),
        Case("FrozenDictionary of records", new Dictionary<Point, int> { [new(1, 2)] = 1 }.ToFrozenDictionary()),
        Case("SortedList", new SortedList<int, string> { [2] = "b", [1] = "a" }),
        Case("OrderedDictionary", new OrderedDictionary<string, int> { ["b"] = 1, ["a"] = 2 }),
        Case("ReadOnlyDictionary", new ReadOnlyDictionary<string, int>(new Dictionary<string, int> { ["a"] = 1 })),
        Case("ConcurrentDictionary", new ConcurrentDictionary<string, int> { ["a"] = 1 }),
        Case("ImmutableDictionary", ImmutableDictionary<string, int>.Empty.Add("a", 1)),
        Case("ImmutableSortedDictionary", ImmutableSortedDictionary<int, string>.Empty.Add(2, "b").Add(1, "a")),
        Case("FrozenDictionary", new Dictionary<string, int> { ["a"] = 1, ["b"] = 2 }.ToFrozenDictionary()),
        Case("HashSet", new HashSet<string?> { "a", null, "A" }),
        Case("SortedSet", new SortedSet<int> { 3, 1, 2 }),
        Case("ReadOnlySet", new ReadOnlySet<int>(new HashSet<int> { 1, 2 })),
        Case("ImmutableHashSet", ImmutableHashSet.Create(1, 2)),
        Case("ImmutableSortedSet", ImmutableSortedSet.Create(2, 1)),
        Case("FrozenSet", FrozenSet.Create("a", "b")),
        Case("KeyValuePair", new KeyValuePair<string, Person?>("a", new("b", 2, null))),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> ArrayCases() =>
    [
        Case("array", new Person?[] { new("a", 1, "x"), null }),
        Case("empty array", Array.Empty<Person>()),
        Case("bytes", new byte[] { 0, 255 }),
        Case("array of bool", new[] { true, false }),
        Case("many booleans", new Holder<List<bool>>(1, [.. Enumerable.Range(0, 99).Select(number => number % 3 == 0)], 2)),
        Case("list of enum", new List<DayOfWeek> { DayOfWeek.Friday }),
        Case("list of Guid", new List<Guid> { Guid.Empty, Guid.NewGuid() }),
        Case("list of TimeSpan", new List<TimeSpan> { TimeSpan.MinValue }),
        Case("list of char", new List<char> { 'a', '\uD800' }),
        Case("immutable array of double", ImmutableArray.Create(-0.0, double.NaN)),
        Case("list of decimal", new List<decimal> { 1.00m }),
        Case("list of DateTime", new List<DateTime> { new(5, DateTimeKind.Local) }),
        Case("array of Half", new[] { Half.NaN }),
        Case("array of Vector3", new[] { System.Numerics.Vector3.One }),
        Case("array of enum", new[] { DayOfWeek.Friday, (DayOfWeek)(-1) }),
        Case("array of nullable", new int?[] { 1, null }),
        Case("array of DateTime", new[] { DateTime.MinValue, new DateTime(5, DateTimeKind.Local) }),
        Case("jagged array", new[] { new[] { "a" }, [], null! }),
        Case("two dimensions", new[,] { { 1, 2, 3 }, { 4, 5, 6 } }),
        Case("two dimensions of text", new string?[,] { { "a", null }, { "", "b" } }),
        Case("three dimensions", new Point[2, 1, 2]),
        Case("dimensions of nothing", new int[0, 5]),
        Case("dimensions inside arrays", new[] { new double[1, 2] }),
        Case("Memory of records", new Memory<Point>([new(1, 2)])),
        Case("ReadOnlyMemory of strings", new ReadOnlyMemory<string>(["a"])),
        Case("ReadOnlyMemory of bytes", new ReadOnlyMemory<byte>([1, 2])),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> InterfaceCases() =>
    [
        Case("IEnumerable", (IEnumerable<int>)new[] { 1, 2 }),
        Items("collection expression", (IReadOnlyList<int>)[1, 2, 3]),
        Items("collection expression of one", (IEnumerable<int>)[1]),
        Items("IReadOnlyCollection of a SortedSet", (IReadOnlyCollection<int>)new SortedSet<int> { 2, 1 }),
        Items("IEnumerable of a Dictionary's keys", (IEnumerable<string>)new Dictionary<string, int> { ["b"] = 1, ["a"] = 2 }.Keys),
        Items("IEnumerable of a SortedDictionary's values", (IEnumerable<string>)new SortedDictionary<int, string> { [2] = "b", [1] = "a" }.Values),
        Items("IReadOnlyCollection of a Queue", (IReadOnlyCollection<int>)new Queue<int>([2, 1])),
        Items("ICollection of a HashSet", (ICollection<int>)new HashSet<int> { 2, 1 }),
        Items("IReadOnlyCollection of a Stack", (IReadOnlyCollection<int>)new Stack<int>([2, 1])),
        Case("ISet of records", (ISet<Point>)new HashSet<Point> { new(1, 2) }),
        Case("IList", (IList<string>)new List<string> { "a" }),
        Case("ICollection", (ICollection<string>)new List<string> { "a" }),
        Case("IReadOnlyList", (IReadOnlyList<Point>)new List<Point> { new(1, 2) }),
        Case("IReadOnlyCollection", (IReadOnlyCollection<string>)new List<string> { "a" }),
        Case("ISet", (ISet<string>)new HashSet<string> { "a" }),
        Case("IReadOnlySet", (IReadOnlySet<string>)new HashSet<string> { "a" }),
        Case("IDictionary", (IDictionary<string, int>)new Dictionary<string, int> { ["a"] = 1 }),
        Case("IReadOnlyDictionary", (IReadOnlyDictionary<string, int>)new Dictionary<string, int> { ["a"] = 1 }),
        Case("IImmutableStack", (IImmutableStack<int>)ImmutableStack.Create(1, 2)),
        Case("IImmutableQueue", (IImmutableQueue<int>)ImmutableQueue.Create(1, 2)),
        Case("IImmutableSet", (IImmutableSet<int>)ImmutableHashSet.Create(1, 2)),
        Case("IImmutableList", (IImmutableList<int>)ImmutableList.Create(1)),
        Case("IImmutableDictionary", (IImmutableDictionary<string, int>)ImmutableDictionary<string, int>.Empty.Add("a", 1)),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> ObjectCases() =>
    [
        Case("record", new Person("a", 3, null)),
        Case("null in a string that is never null", new Person(null!, 3, null)),
        Case("record struct", new Point(1, 2)),
        Case("mutable record struct", new Mutable { X = 1, Y = "b" }),
        Case("struct of fields", new Fields { X = 1, Name = "a" }),
        Case("readonly struct", new Ratio(1, 2)),
        Case("class of properties", new Settings { Retries = 0, Name = null, Tags = [] }),
        Case("required and init", new Strict { Id = 3, Note = "n" }),
        Case("get-only through the constructor", new Fixed("a", [1, 2])),
        Case("constructor and setters", new Mixed("a") { Extra = 5, Later = "c" }),
        Case("private setters", new PrivatelySet(4)),
        Case("optional parameters", new Optional(0)),
        Case("derived record", new Employee("a", 3, null, "boss")),
        Case("derived class", new Derived { Base = 1, Own = "x" }),
        Case("generic record", new Holder<List<Holder<int>>>(1, [new(1, 2, 3)], 2)),
        Case("tree", new Tree("a", [new Tree("b", []), new Tree("c", [new Tree("d", [])])])),
        Case("mutual recursion", new Left(1, new Right("a", new Left(2, null)))),
        Case("private nested", new Hidden(3)),
        Case("union", (Shape)new Circle(2)),
        Case("union's base", new Shape()),
        Case("union in a list", new List<Shape> { new Circle(1), new Square(2), new() }),
        Case("union behind an interface", (IAnimal)new Dog("rex")),
        Case("private field shown on purpose", new Shown(3)),
        Case("known types of a data contract", (Vehicle)new Car { Wheels = 4, Doors = 5 }),
        Case("inline array", Filled()),
        Case("holder of nullable structs", new Holder<Ratio?>(1, new Ratio(1, 2), 2)),
        Case("property of another name", new Renamed { Value = 3 }),
        Case("key attributes", new Keyed { First = 1, Second = "b" }),
        Case("overridden property", new Overrides { Value = 5 }),
        Case("computed properties", new Computed(3)),
        Case("empty record", new Empty()),
        Case("thirty members", new Wide30(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)),
        Case("constructor that checks", new Checked("ok", 5)),
        Case("union of numbers", new NumberUnion { Fraction = double.NaN }),
        Case("names that differ in case only", new CasedRecord(1, 2)),
        Case("setter that checks", new FieldBacked { Name = " a " }),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> TupleCases() =>
    [
        Case("Tuple", Tuple.Create(1, "a", new Point(1, 2))),
        Case("Tuple of eight", Tuple.Create(1, 2, 3, 4, 5, 6, 7, "h")),
        Case("ValueTuple of nine", (1, "b", 3, 4, 5, 6, 7, 8, new Person("n", 9, null))),
        Case("ValueTuple of sixteen", (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, "p")),
        Case("empty ValueTuple", ValueTuple.Create()),
        Case("nested tuples", ((1, "a"), (2, (3, "b")))),
    ];

    private static Dictionary<int, int> Thinned(Dictionary<int, int> dictionary)
    {
        dictionary.Remove(3);
        dictionary.Remove(5);
        dictionary[77] = 1;
        return dictionary;
    }

    private static Four Filled()
    {
        Four four = default;
        four[2] = 7;
        return four;
    }

    private sealed record Hidden(int Value);
}
