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

    private static readonly HashSet<Type> Unordered =
    [
        typeof(HashSet<>), typeof(Dictionary<,>), typeof(ConcurrentBag<>), typeof(ConcurrentDictionary<,>), typeof(ImmutableHashSet<>),
        typeof(ImmutableDictionary<,>), typeof(FrozenSet<>), typeof(FrozenDictionary<,>), typeof(ReadOnlyDictionary<,>), typeof(ReadOnlySet<>),
    ];

    public static bool IsKnown(Type type) => type.IsArray || Known.Contains(Definition(type));

    /// <summary>Whether a copy may enumerate its items in another order and still be equal.</summary>
    public static bool IsUnordered(Type type) => type.IsInterface || Ancestry(type).Any(static ancestor => Unordered.Contains(Definition(ancestor)));

    /// <summary>Why the collection can't travel, whatever is in it.</summary>
    public static Refusal? Examine(Type type, bool isBuildable)
    {
        // The serializer builds arrays of any rank itself.
        if (!isBuildable && !type.IsArray)
        {
            return Refusal.Here(
                $"is of type {ReadableName.Of(type)}, which can't be filled when it is built on the other side",
                "send its items as a List, an array or a Dictionary");
        }

        if (type.IsInterface || IsKnown(type) || type.IsDefined(typeof(System.Runtime.CompilerServices.InlineArrayAttribute), inherit: false))
            return null;
        if (HiddenState.FindAdded(type, IsKnown) is { } added)
        {
            return Refusal.Here(
                $"is a field that {ReadableName.Of(type)} has besides its items, and of a collection only the items travel",
                "send a record of the items as a List and of the rest").Under("." + Describe(added));
        }

        return Ancestry(type).Any(IsKnown)
            ? null
            : Refusal.Here($"is of type {ReadableName.Of(type)}, whose state can't be seen", "send its items as a List, an array or a Dictionary");
    }

    /// <summary>Refuses a collection declared as an interface unless its items are all there.</summary>
    public static Refusal? ExamineBehindInterface<TElement>(object value, Type declared, bool comparesKeys)
    {
        if (value is not (ICollection<TElement> or IReadOnlyCollection<TElement> or ICollection) && !IsKnown(value.GetType()))
        {
            return Refusal.Here(
                $"holds a sequence of type {ReadableName.Of(value.GetType())}, which produces its items while it is read and may never end",
                "call ToList() first");
        }

        if (comparesKeys && !IsFramework(value.GetType()))
        {
            return Refusal.Here(
                $"holds a collection of type {ReadableName.Of(value.GetType())} but is declared as {ReadableName.Of(declared)}, so how it compares its keys can't be seen",
                "copy it into a Dictionary or HashSet first");
        }

        return ComparerFidelity.Examine(value);
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
