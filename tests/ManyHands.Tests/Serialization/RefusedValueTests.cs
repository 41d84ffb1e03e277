using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Collections.ObjectModel;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using ManyHands.Serialization;
using Xunit;

namespace ManyHands.Tests.Serialization;

/// <summary>What wouldn't arrive equal is refused, with its place, the reason and what to write instead.</summary>
public class RefusedValueTests
{
    private static readonly Dictionary<string, Action> Corpus = new(
    [
        .. ResourceCases(), .. HiddenStateCases(), .. UndeterminedCases(), .. RuntimeTypeCases(), .. ComparerCases(), .. CollectionCases(), .. ChangingCases(), .. NameCases(), .. InterfaceCases(),
    ]);

    public static TheoryData<string> Names => [.. Corpus.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void IsRefusedWithAdvice(string name) => Corpus[name]();

    [Fact]
    public void ACycleIsRefusedBeforeItEndsTheStack()
    {
        Ring ring = new();
        ring.Next = ring;
        string message = Journey.RefusalOf(ring);
        Assert.Contains("Ring.Next.Next", message, StringComparison.Ordinal);
        Assert.Contains("nested more than 500 levels deep, or refers back to itself", message, StringComparison.Ordinal);
        Assert.Contains("flat list", message, StringComparison.Ordinal);
        Assert.True(message.Length < 500, message);
    }

    [Fact]
    public void ACycleIsRefusedOnASmallStackToo()
    {
        Ring ring = new();
        ring.Next = ring;
        string? message = null;
        Thread thread = new(() => message = Journey.RefusalOf(ring), maxStackSize: 256 * 1024);
        thread.Start();
        thread.Join();
        Assert.Contains("refers back to itself", message, StringComparison.Ordinal);
    }

    [Fact]
    public void WhatIsRefusedNeverArrivesEither()
    {
        byte[] bytes = Journey.BytesOf(new Holder<int>(1, 2, 3));
        Assert.Contains("never travels", Assert.Throws<InvalidPayloadException>(() => Journey.Read<Order>(bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EveryTypeThatGetsAdviceExists()
    {
        string[] homes = ["System.Private.CoreLib", "System.Private.Xml", "System.Private.Xml.Linq", "System.Data.Common", "System.Net.Http", "System.Net.Sockets",
            "System.Diagnostics.Process", "System.Linq.Expressions", "System.Linq", "System.Text.RegularExpressions", "System.Threading.Channels", "System.Text.Json",
            "System.Security.Cryptography", "System.Drawing.Primitives", "System.Collections", "System.Threading", "System.ComponentModel"];
        Assembly[] assemblies = [.. homes.Select(Assembly.Load)];
        Assert.All(UnsendableTypes.TypeNames, name => Assert.Contains(assemblies, assembly => assembly.GetType(name) is not null));
    }

    private static KeyValuePair<string, Action> Case<T>(string name, T value, params string[] expected) => new(name, () =>
    {
        string message = Journey.RefusalOf(value);
        Assert.All(expected, part => Assert.Contains(part, message, StringComparison.Ordinal));
        Assert.EndsWith(".", message, StringComparison.Ordinal);
        Assert.Contains("; ", message, StringComparison.Ordinal);
        // Refused at the top, it is refused inside other things as well, under its place there.
        string inside = Journey.RefusalOf(new Holder<List<T>>(1, [value], 2));
        Assert.Contains("Value[", inside, StringComparison.Ordinal);
        Assert.All(expected.Skip(1), part => Assert.Contains(part, inside, StringComparison.Ordinal));
    });

    // Whatever is beside it: sets, dictionaries and interfaces had the order of everything else forgotten.
    private static KeyValuePair<string, Action> Change<T>(string name, T value, string reason, params string[] expected) => new(name, () =>
    {
        string[] messages =
        [
            Journey.RefusalOf(value),
            Journey.RefusalOf(new Holder<List<T>>(1, [value], 2)),
            Journey.RefusalOf((value, new HashSet<int> { 1, 2 }, new Dictionary<string, int> { ["a"] = 1 })),
            Journey.RefusalOf(new Holder<IReadOnlyList<T>>(1, [value], 2)),
        ];
        foreach (string message in messages)
        {
            Assert.Contains($"would arrive changed, as {reason}", message, StringComparison.Ordinal);
            Assert.All(expected, part => Assert.Contains(part, message, StringComparison.Ordinal));
        }
    });

    private static IEnumerable<KeyValuePair<string, Action>> ResourceCases() =>
    [
        Case("stream in an order", new Order(1, new Customer("a", null)), "Order.Customer.Photo", "is an open stream", "open the file inside the function and pass its path"),
        Case("file stream", (FileStream?)null, "FileStream", "pass its path"),
        Case("memory stream", new MemoryStream(), "MemoryStream", "byte[]"),
        Case("cancellation token inside", new Holder<CancellationToken>(1, default, 2), "Holder<CancellationToken>.Value", "make it an argument of its own"),
        Case("progress inside", new Holder<IProgress<int>?>(1, null, 2), ".Value", "make it an argument of its own"),
        Case("delegate", new Holder<Func<int>?>(1, null, 2), "Holder<Func<int>>.Value", "is a function"),
        Case("exception", new InvalidOperationException("a"), "InvalidOperationException", "send its Message"),
        Case("type", typeof(int), "Type", "make the function generic"),
        Case("method", (MethodInfo?)null, "MethodInfo", "pass its name"),
        Case("task", Task.FromResult(1), "Task<int>", "await it first"),
        Case("value task", new ValueTask<int>(1), "ValueTask<int>", "await it first"),
        Case("lazy", new Lazy<int>(() => 1), "Lazy<int>", "send its Value"),
        Case("weak reference", new WeakReference<string>("a"), "WeakReference<string>", "target"),
        Case("pointer-sized number", new Holder<nint>(1, 2, 3), "Holder<nint>.Value", "a long"),
        Case("regex", new Regex("a"), "Regex", "pass the pattern"),
        Case("client", (HttpClient?)null, "HttpClient", "create the client inside the function"),
        Case("socket", (System.Net.Sockets.Socket?)null, "Socket", "connect inside the function"),
        Case("database", (System.Data.Common.DbConnection?)null, "DbConnection", "connection string"),
        Case("thread", (Thread?)null, "Thread", "send the data"),
        Case("process", (System.Diagnostics.Process?)null, "Process", "Id"),
        Case("lock", new Lock(), "Lock", "keep it on one side"),
        Case("semaphore", new SemaphoreSlim(1), "SemaphoreSlim", "keep it on one side"),
        Case("async sequence", (IAsyncEnumerable<int>?)null, "IAsyncEnumerable<int>", "collect it into a List"),
        Case("query", new[] { 1 }.AsQueryable(), "IQueryable<int>", "ToList()"),
        Case("string builder", new StringBuilder("a"), "StringBuilder", "ToString()"),
        Case("encoding", Encoding.UTF8, "Encoding", "WebName"),
        Case("time zone", TimeZoneInfo.Utc, "TimeZoneInfo", "Id"),
        Case("JSON node", JsonNode.Parse("1")!, "JsonNode", "JsonElement"),
        Case("color", System.Drawing.Color.Red, "Color", "ToArgb()"),
        Case("random", new Random(1), "Random", "seed"),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> HiddenStateCases() =>
    [
        Case("private field", new KeepsSecret(), "KeepsSecret._secret", "private state", "[PolyType.PropertyShape(Ignore = true)]"),
        Case("private field of a base", new DerivedFromSecret(), "DerivedFromSecret._secret", "private state"),
        Case("captured parameter", new Captures(3), "Captures.start", "primary constructor", "public int Start { get; } = start;"),
        Case("get-only", new GetOnly(), "GetOnly.Value", "can't be set", "add init;"),
        Case("get-only list", new GetOnlyList(), "GetOnlyList.Items", "can't be set", "add init;"),
        Case("private property", new PrivateProperty(), "PrivateProperty.Hidden", "isn't public"),
        Case("private setter", new PrivateSetter(), "PrivateSetter.Value", "setter that isn't public"),
        Case("write-only", new WriteOnly(), "WriteOnly.Value", "isn't public"),
        Case("readonly field", new ReadOnlyField(), "ReadOnlyField.Value", "drop readonly"),
        Case("event", new Notifies(), "Notifies.Changed", "is an event"),
        Case("hidden by new", new HidesBase(), "HidesBase.Value"),
        Case("private constructor", PrivatelyMade.Make(), "PrivatelyMade", "no public constructor"),
        Case("parameter without property", new TakesMore(1, 2), "TakesMore", "parameter 'more'", "add a property"),
        Case("parameter of another type", new TakesOther([1]), "TakesOther.Items", "IEnumerable<int>", "same type"),
        Case("list with state of its own", new NamedList { "a" }, "NamedList.Owner", "besides its items", "send a record"),
        Case("collection of one's own", new OwnCollection(), "OwnCollection._items", "besides its items"),
        Case("fixed buffer", default(FixedBuffer), "FixedBuffer.Bytes"),
        Case("framework type with private state", new System.Timers.Timer(), "Timer"),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> UndeterminedCases() =>
    [
        Case("object", new object(), "object", "declared as object", "declare the actual type"),
        Case("object inside", new Holder<object>(1, 2, 3), "Holder<object>.Value", "declare the actual type"),
        Case("list of objects", new List<object> { 1 }, "List<object>[]", "declare the actual type"),
        Case("dictionary of objects", new Dictionary<string, object?> { ["a"] = 1 }, "Dictionary<string, object>[]", "declare the actual type"),
        Case("ArrayList", new ArrayList { 1 }, "ArrayList"),
        Case("Hashtable", new Hashtable(), "Hashtable"),
        Case("interface", new Holder<IFormattable>(1, 2, 3), "Holder<IFormattable>.Value", "interface IFormattable", "declare the class"),
        Case("abstract class", (AbstractShape)new ConcreteShape(), "AbstractShape", "[PolyType.DerivedTypeShape]"),
        Case("dynamic object", new System.Dynamic.ExpandoObject(), "ExpandoObject", "declare a record"),
        Case("comparable", (IComparable?)1, "IComparable", "interface"),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> RuntimeTypeCases() =>
    [
        Case("derived record", (Person)new Employee("a", 1, null, "b"), "Person", "holds an object of type Employee but is declared as Person", "[PolyType.DerivedTypeShape(typeof(Employee))] on Person"),
        Case("derived from a listed type", (Shape)new RoundedSquare(1, 2), "Shape", "holds an object of type RoundedSquare, which Shape doesn't list"),
        Case("unlisted implementation", (IAnimal)new Cat("a"), "IAnimal", "holds an object of type Cat, which IAnimal doesn't list", "[PolyType.DerivedTypeShape(typeof(Cat))] on IAnimal"),
        Case("covariant array", (Person[])new Employee[] { new("a", 1, null, "b") }, "Person[]", "holds an array of type Employee[]", "declare what it is"),
        Case("enum array as numbers", new Holder<int[]>(1, (int[])(object)new DayOfWeek[1], 2), "Holder<int[]>.Value", "holds an array of type DayOfWeek[]"),
        Case("derived list", (List<string>)new StringList(), "List<string>", "holds an object of type StringList", "send a List<string> with the same content"),
        Case("array that starts at one", (int[,])Array.CreateInstance(typeof(int), [2, 2], [1, 1]), "int[,]", "starts at 1"),
        Case("default ImmutableArray", default(ImmutableArray<int>), "ImmutableArray<int>", "isn't even empty", "ImmutableArray<T>.Empty"),
        Case("changed culture", ChangedCulture(), "CultureInfo", "formats of its own", "pass its Name"),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> ComparerCases() =>
    [
        Case("Dictionary", new Dictionary<string, int>(StringComparer.InvariantCultureIgnoreCase), "Dictionary<string, int>", "CultureAwareComparer", "make one with your comparer inside the function"),
        Case("Dictionary with own comparer", new Dictionary<int, int>(new ParityComparer()), "Dictionary<int, int>", "ParityComparer", "default comparer"),
        Case("HashSet", new HashSet<string>(StringComparer.CurrentCulture), "HashSet<string>", "CultureAwareComparer"),
        Case("SortedSet", new SortedSet<string>(StringComparer.InvariantCulture), "SortedSet<string>", "CultureAwareComparer", "default order"),
        Case("SortedSet's own order", new SortedSet<string>(Comparer<string>.Create(StringComparer.Ordinal.Compare)), "SortedSet<string>", "compares its keys"),
        Case("sorted by culture in a class of one's own", new OwnSortedSet { "a" }, "OwnSortedSet", "sorts its string in the way of the process", "StringComparer.Ordinal"),
        Case("SortedDictionary", new SortedDictionary<int, int>(Comparer<int>.Create((left, right) => right - left)), "SortedDictionary<int, int>", "compares its keys"),
        Case("SortedList", new SortedList<int, int>(Comparer<int>.Create((left, right) => right - left)), "SortedList<int, int>", "compares its keys"),
        Case("OrderedDictionary", new OrderedDictionary<string, int>(StringComparer.OrdinalIgnoreCase), "OrderedDictionary<string, int>", "OrdinalIgnoreCase"),
        Case("ConcurrentDictionary", new ConcurrentDictionary<string, int>(StringComparer.OrdinalIgnoreCase), "ConcurrentDictionary<string, int>", "OrdinalIgnoreCase"),
        Case("ReadOnlyDictionary", new ReadOnlyDictionary<string, int>(new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase)), "ReadOnlyDictionary<string, int>", "OrdinalIgnoreCase"),
        Case("ReadOnlySet", new ReadOnlySet<string>(new HashSet<string>(StringComparer.OrdinalIgnoreCase)), "ReadOnlySet<string>", "OrdinalIgnoreCase"),
        Case("ImmutableDictionary", ImmutableDictionary.Create<string, int>(StringComparer.OrdinalIgnoreCase), "ImmutableDictionary<string, int>", "OrdinalIgnoreCase"),
        Case("ImmutableDictionary's values", ImmutableDictionary.Create<string, string>(null, StringComparer.OrdinalIgnoreCase), "ImmutableDictionary<string, string>", "OrdinalIgnoreCase"),
        Case("ImmutableHashSet", ImmutableHashSet.Create<string>(StringComparer.OrdinalIgnoreCase), "ImmutableHashSet<string>", "OrdinalIgnoreCase"),
        Case("ImmutableSortedSet", ImmutableSortedSet.Create<string>(StringComparer.CurrentCultureIgnoreCase), "ImmutableSortedSet<string>", "CultureAwareComparer"),
        Case("ImmutableSortedDictionary", ImmutableSortedDictionary.Create<string, int>(StringComparer.InvariantCulture), "ImmutableSortedDictionary<string, int>", "CultureAwareComparer"),
        Case("FrozenDictionary", new Dictionary<string, int> { ["a"] = 1 }.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase), "FrozenDictionary<string, int>", "OrdinalIgnoreCase"),
        Case("FrozenSet", FrozenSet.Create(StringComparer.OrdinalIgnoreCase, "a"), "FrozenSet<string>", "OrdinalIgnoreCase"),
        Case("behind IDictionary", (IDictionary<string, int>)new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase), "IDictionary<string, int>", "OrdinalIgnoreCase"),
        Case("behind IReadOnlySet", (IReadOnlySet<string>)FrozenSet.Create(StringComparer.OrdinalIgnoreCase, "a"), "IReadOnlySet<string>", "OrdinalIgnoreCase"),
        Case("behind IEnumerable", (IEnumerable<string>)new HashSet<string>(StringComparer.OrdinalIgnoreCase), "IEnumerable<string>", "OrdinalIgnoreCase"),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> CollectionCases() =>
    [
        Case("iterator", Endless(), "IEnumerable<int>", "may never end", "call ToList() first"),
        Case("filter", Enumerable.Range(0, 9).Where(number => number > 3), "IEnumerable<int>", "call ToList() first"),
        Case("iterator inside", new Holder<IEnumerable<int>>(1, Endless(), 2), "Holder<IEnumerable<int>>.Value", "call ToList() first"),
        Case("PriorityQueue", new PriorityQueue<int, int>(), "PriorityQueue<int, int>", "UnorderedItems"),
        Case("Lookup", new[] { "a" }.ToLookup(word => word.Length), "ILookup<int, string>", "Dictionary"),
        Case("ArraySegment", new ArraySegment<string>(["a"]), "ArraySegment<string>", "an array"),
        Case("BlockingCollection", new BlockingCollection<int>(), "BlockingCollection<int>", "List"),
        Case("watched for properties", WatchedForProperties(), "ObservableCollection<string>", "subscribers", "List"),
        Case("watched collection", Watched(), "ObservableCollection<string>", "subscribers", "List"),
        Case("third item", new List<Shape> { new(), new(), new RoundedSquare(1, 2) }, "List<Shape>[2]", "RoundedSquare"),
        Case("item under its key", new Dictionary<string, Person> { ["ann"] = new Employee("a", 1, null, "b") }, "Dictionary<string, Person>[ann]", "Employee"),
        Case("key", new Dictionary<Person, int> { [new Employee("a", 1, null, "b")] = 1 }, "Dictionary<Person, int>[key ", "Employee"),
        Case("part of a tuple", (1, (Person)new Employee("a", 1, null, "b")), "ValueTuple<int, Person>.Item2", "Employee"),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> ChangingCases() =>
    [
        Change("constructor that changes", new Doubles(2), UserCode("Doubles"), ".Value ", "is 4 and becomes 8", "send a record with just the data"),
        Change("setter that changes", new Counts { Value = 3 }, UserCode("Counts"), ".Value ", "is 4 and becomes 5"),
        Change("constructor that fails", FailsToBuild.Make(), UserCode("FailsToBuild"), "can't be built again (no negative)"),
        Change("collection that fills itself", new FillsItself(), UserCode("FillsItself"), "items and a copy of it"),
        Change("constructor that swaps", new Turned(2, 9), UserCode("Turned"), ".Start ", "is 9 and becomes 2"),
        Change("setters that swap", new TurnedBySetters { Start = 2, End = 9 }, UserCode("TurnedBySetters")),
        Change("getter that computes", new Floors { Value = 2.7 }, UserCode("Floors"), ".Value ", "is 2.7 and becomes 2"),
        Change("sign of zero", new DropsSign(), UserCode("DropsSign"), "is -0 and becomes 0"),
        Change("called back", new CalledBack { Value = 1 }, "CalledBack is called when it is written or read", "is 1 and becomes 2"),
        Change("bool beside a number", new BoolUnion { Number = 1000 }, "fields of BoolUnion share their memory", ".Number ", "is 1000 and becomes 769"),
        Change("nullable beside a number", new NullableUnion { Number = 0x5_0000_0301 }, "fields of NullableUnion share their memory", ".Number "),
        Change("union in a class", new UnionClass { Number = 1000 }, "fields of UnionClass share their memory", ".Number ", "is 1000 and becomes 769"),
        Change("items that have become equal", BecameEqual(static items => items.ToHashSet()), "HashSet<Changeable> finds its Changeable", "has 2 items and a copy of it 1", "send a List"),
        Change("keys that have become equal", BecameEqual(static items => items.ToDictionary(static item => item, static item => 1)), "Dictionary<Changeable, int> finds its Changeable", "the same key"),
        Change("sorted items that have become equal", BecameEqual(static items => new SortedSet<Changeable>(items)), "SortedSet<Changeable> finds its Changeable", "can't be built again"),
        Change("items that have become equal behind an interface", BecameEqual(static items => (ISet<Changeable>)items.ToHashSet()), "ISet<Changeable> finds its Changeable"),
        Change("items equal to nothing but themselves", new HashSet<HasValue> { new() }, "HashSet<HasValue> finds its HasValue", "isn't equal to its own copy", "as records are"),
        Change("keys equal to nothing but themselves", new Dictionary<HasValue, int> { [new()] = 1 }, "Dictionary<HasValue, int> finds its HasValue", "isn't equal to its own copy"),
        Change("hashed keys equal to nothing but themselves", ImmutableDictionary<HasValue, int>.Empty.Add(new(), 1), "ImmutableDictionary<HasValue, int> finds its HasValue", "isn't equal to its own copy"),
        Change("records that are equal by a list of theirs", new HashSet<Holder<int[]>> { new(1, [2], 3) }, "HashSet<Holder<int[]>> finds its Holder<int[]>", "isn't equal to its own copy"),
        Change("parts of keys equal to nothing but themselves", new HashSet<(int, HasValue)> { (1, new()) }, "HashSet<ValueTuple<int, HasValue>> finds its", "isn't equal to its own copy"),
        Change("names that differ in case only", new FieldAndProperty(1) { Value = 2 }, "names of members of FieldAndProperty differ in case only", ".Value "),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> NameCases() =>
    [
        Case("parameter that may mean two", new Cased(1) { Id = 2 }, "Cased", "parameter 'id' that may mean 'ID' or 'Id'", "differ in more"),
        Case("parameter that may mean two, and happens to mean the right one", new CasedTheOtherWay(1) { ID = 2 }, "CasedTheOtherWay", "parameter 'id' that may mean 'ID' or 'Id'"),
    ];

    private static IEnumerable<KeyValuePair<string, Action>> InterfaceCases() =>
    [
        Case("derived collection behind IReadOnlyList", (IReadOnlyList<int>)new Page { 1, 2 }, "IReadOnlyList<int>", "holds a collection of type Page", "declare it as Page, or copy it into a List"),
        Case("derived collection behind IEnumerable", (IEnumerable<int>)new Page { 1, 2 }, "IEnumerable<int>", "holds a collection of type Page"),
        Case("derived collection without more behind IList", (IList<string>)new StringList { "a" }, "IList<string>", "holds a collection of type StringList"),
        Case("collection of one's own behind IReadOnlyCollection", (IReadOnlyCollection<int>)new Window(), "IReadOnlyCollection<int>", "holds a collection of type Window"),
        Case("group behind IEnumerable", new[] { "a", "bb" }.GroupBy(static word => word.Length).First().AsEnumerable(), "IEnumerable<string>", "holds a collection of type Grouping<int, string>"),
        Case("SortedSet behind ISet", (ISet<int>)new SortedSet<int> { 1 }, "ISet<int>", "holds a SortedSet<int>", "doesn't keep its order", "declare it as SortedSet<int>"),
        Case("SortedSet behind ICollection", (ICollection<int>)new SortedSet<int> { 1 }, "ICollection<int>", "holds a SortedSet<int>"),
        Case("ImmutableSortedSet behind IImmutableSet", (IImmutableSet<int>)ImmutableSortedSet.Create(1), "IImmutableSet<int>", "holds a ImmutableSortedSet<int>"),
        Case("SortedDictionary behind IDictionary", (IDictionary<int, int>)new SortedDictionary<int, int>(), "IDictionary<int, int>", "holds a SortedDictionary<int, int>"),
        Case("SortedList behind IReadOnlyDictionary", (IReadOnlyDictionary<int, int>)new SortedList<int, int>(), "IReadOnlyDictionary<int, int>", "holds a SortedList<int, int>"),
        Case("OrderedDictionary behind IDictionary", (IDictionary<int, int>)new OrderedDictionary<int, int>(), "IDictionary<int, int>", "holds a OrderedDictionary<int, int>"),
        Case("ImmutableSortedDictionary behind IImmutableDictionary", (IImmutableDictionary<int, int>)ImmutableSortedDictionary<int, int>.Empty, "IImmutableDictionary<int, int>", "holds a ImmutableSortedDictionary"),
    ];

    private static string UserCode(string culprit) => $"a constructor or setter of {culprit} does more than store what it is given: ";

    private static T BecameEqual<T>(Func<Changeable[], T> collect)
    {
        Changeable first = new() { Value = 1 };
        T collection = collect([first, new() { Value = 2 }]);
        first.Value = 2;
        return collection;
    }

    private static ObservableCollection<string> WatchedForProperties()
    {
        ObservableCollection<string> watched = [];
        ((System.ComponentModel.INotifyPropertyChanged)watched).PropertyChanged += (_, _) => { };
        return watched;
    }

    private static IEnumerable<int> Endless()
    {
        for (int number = 0; ; number++)
            yield return number;
    }

    private static ObservableCollection<string> Watched()
    {
        ObservableCollection<string> watched = [];
        watched.CollectionChanged += (_, _) => { };
        return watched;
    }

    private static CultureInfo ChangedCulture()
    {
        CultureInfo culture = new("de-DE");
        culture.NumberFormat.NumberDecimalSeparator = "!";
        return culture;
    }
}
