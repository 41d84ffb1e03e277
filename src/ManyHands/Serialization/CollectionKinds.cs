using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Collections.ObjectModel;
using System.Reflection;

namespace ManyHands.Serialization;

/// <summary>Which collections travel: those of the framework that are known to arrive equal, and classes derived from them that add nothing.</summary>
internal static class CollectionKinds
{
    private static readonly HashSet<Type> Known =
    [
        typeof(List<>), typeof(Queue<>), typeof(Stack<>), typeof(LinkedList<>), typeof(HashSet<>), typeof(SortedSet<>),
        typeof(Dictionary<,>), typeof(SortedDictionary<,>), typeof(SortedList<,>), typeof(OrderedDictionary<,>),
        typeof(Collection<>), typeof(ObservableCollection<>), typeof(ReadOnlyCollection<>), typeof(ReadOnlyDictionary<,>), typeof(ReadOnlySet<>),
        typeof(KeyedCollection<,>),
        typeof(ConcurrentBag<>), typeof(ConcurrentQueue<>), typeof(ConcurrentStack<>), typeof(ConcurrentDictionary<,>),
        typeof(ImmutableArray<>), typeof(ImmutableList<>), typeof(ImmutableQueue<>), typeof(ImmutableStack<>), typeof(ImmutableHashSet<>),
        typeof(ImmutableSortedSet<>), typeof(ImmutableDictionary<,>), typeof(ImmutableSortedDictionary<,>),
        typeof(FrozenSet<>), typeof(FrozenDictionary<,>),
        typeof(Memory<>), typeof(ReadOnlyMemory<>),
    ];

    // The order of these comes from hashes, which are others in every process.
    private static readonly HashSet<Type> OrderedByHash =
    [
        typeof(ConcurrentDictionary<,>), typeof(ImmutableHashSet<>), typeof(ImmutableDictionary<,>), typeof(FrozenSet<>), typeof(FrozenDictionary<,>),
    ];

    private static readonly HashSet<Type> Sorted =
    [
        typeof(SortedSet<>), typeof(SortedDictionary<,>), typeof(SortedList<,>), typeof(ImmutableSortedSet<>), typeof(ImmutableSortedDictionary<,>),
    ];

    private static readonly HashSet<Type> ReadOnlySequences = [typeof(IEnumerable<>), typeof(IReadOnlyCollection<>), typeof(IReadOnlyList<>)];

    // By the type found and the type declared: whether the one may stand behind the other.
    private static readonly ConcurrentDictionary<(Type Actual, Type Declared), Refusal?> BehindInterfaces = new();

    public static bool IsKnown(Type type) => type.IsArray || Known.Contains(Definition(type));

    /// <summary>Whether a copy may enumerate its items in another order and still be equal.</summary>
    public static bool IsOrderedByHash(Type type) => Ancestry(type).Any(static ancestor => OrderedByHash.Contains(Definition(ancestor)));

    public static bool IsSorted(Type type) => Ancestry(type).Any(static ancestor => Sorted.Contains(Definition(ancestor)));

    /// <summary>Whether its items are all there is to it.</summary>
    public static bool IsJustItems(Type type) => IsInlineArray(type) || Ancestry(type).Any(IsKnown);

    public static bool IsInlineArray(Type type) => type.IsDefined(typeof(System.Runtime.CompilerServices.InlineArrayAttribute), inherit: false);

    /// <param name="type">The collection's declared type.</param>
    /// <param name="key">What it finds its items by; null if it finds none.</param>
    public static Suspicion? FindSuspicion(Type type, Type? key)
    {
        if (key is not null && !StableKeys.Contains(key))
            return Suspicion.OfKeys(type, key);
        return type.IsInterface || IsKnown(type) || IsInlineArray(type) ? null : Suspicion.OfUserCode(type);
    }

    /// <summary>Why the collection can't travel, whatever is in it.</summary>
    public static Refusal? Examine(Type type, bool isBuildable, Type? key)
    {
        // The serializer builds arrays of any rank itself.
        if (!isBuildable && !type.IsArray)
        {
            return Refusal.Here(
                $"is of type {ReadableName.Of(type)}, which can't be filled when it is built on the other side",
                "send its items as a List, an array or a Dictionary");
        }

        if (type.IsInterface || IsKnown(type) || IsInlineArray(type))
            return null;
        if (HiddenState.FindAdded(type, IsKnown) is { } added)
        {
            return Refusal.Here(
                $"is a field that {ReadableName.Of(type)} has besides its items, and of a collection only the items travel",
                "send a record of the items as a List and of the rest").Under("." + Describe(added));
        }

        if (IsSorted(type) && key is not null && !SortedKeys.AreSortedAlikeEverywhere(key))
        {
            return Refusal.Here(
                $"is of type {ReadableName.Of(type)}, which sorts its {ReadableName.Of(key)} in the way of the process that it is in",
                "declare the framework's own class, made with StringComparer.Ordinal, or send its items as a List");
        }

        return Ancestry(type).Any(IsKnown)
            ? null
            : Refusal.Here($"is of type {ReadableName.Of(type)}, whose state can't be seen", "send its items as a List, an array or a Dictionary");
    }

    /// <summary>Refuses a collection declared as an interface unless its items are all there.</summary>
    public static Refusal? ExamineBehindInterface<TElement>(object value, Type declared)
    {
        if (value is not (ICollection<TElement> or IReadOnlyCollection<TElement> or ICollection) && !IsKnown(value.GetType()))
        {
            return Refusal.Here(
                $"holds a sequence of type {ReadableName.Of(value.GetType())}, which produces its items while it is read and may never end",
                "call ToList() first");
        }

        return BehindInterfaces.GetOrAdd((value.GetType(), declared), static found => Compare(found.Actual, found.Declared)) ?? ComparerFidelity.Examine(value);
    }

    // What is declared as an interface arrives as one of the framework's plain classes; so it must have been one, or what it is besides would be lost.
    private static Refusal? Compare(Type actual, Type declared)
    {
        if (!IsPlain(actual))
        {
            return Refusal.Here(
                $"holds a collection of type {ReadableName.Of(actual)} but is declared as {ReadableName.Of(declared)}, so it would arrive as an ordinary one with the same items",
                $"declare it as {ReadableName.Of(actual)}, or copy it into a List, HashSet or Dictionary first");
        }

        // A nested one is the keys or values of another, and reads like it.
        bool keepsOrder = actual.DeclaringType is null && (IsSorted(actual) || Definition(actual) == typeof(OrderedDictionary<,>));
        return keepsOrder && !ReadOnlySequences.Contains(Definition(declared))
            ? Refusal.Here(
                $"holds a {ReadableName.Of(actual)} but is declared as {ReadableName.Of(declared)}, so it would arrive as one that doesn't keep its order",
                $"declare it as {ReadableName.Of(actual)}, or copy it into one without an order first")
            : null;
    }

    // The framework's own, public or not, have nothing but their items; the compiler makes some for collection expressions.
    private static bool IsPlain(Type type)
    {
        if (IsKnown(type) || (type.DeclaringType is { } owner && IsKnown(owner)) || type.Name.StartsWith("<>z__ReadOnly", StringComparison.Ordinal))
            return true;
        if (!IsFramework(type) || Array.Exists(type.GetInterfaces(), static one => Definition(one) == typeof(IGrouping<,>) || Definition(one) == typeof(ILookup<,>)))
            return false;
        return (!type.IsPublic && !type.IsNestedPublic) || Definition(type) == typeof(ArraySegment<>);
    }

    private static bool IsFramework(Type type) => type.Assembly == typeof(object).Assembly || type.Assembly.GetName().Name!.StartsWith("System.", StringComparison.Ordinal);

    private static IEnumerable<Type> Ancestry(Type type)
    {
        for (Type? ancestor = type; ancestor is not null; ancestor = ancestor.BaseType)
            yield return ancestor;
    }

    private static string Describe(FieldInfo field) => RestoredMembers.FindProperty(field)?.Name ?? field.Name;

    private static Type Definition(Type type) => type.IsGenericType ? type.GetGenericTypeDefinition() : type;
}
