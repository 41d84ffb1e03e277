using System.Collections.Immutable;
using System.Collections.ObjectModel;
using System.Reflection;
using System.Runtime.InteropServices;
using PolyType.Abstractions;

namespace ManyHands.Serialization;

/// <summary>Arrays, lists, sets, queues: things with items.</summary>
internal static class CollectionInspection
{
    public static void Fill<TEnumerable, TElement>(Inspection<TEnumerable> inspection, IEnumerableTypeShape<TEnumerable, TElement> shape, SendableInspector inspector)
    {
        Type type = typeof(TEnumerable);
        inspection.OwnRefusal = CollectionKinds.Examine(type, shape.ConstructionStrategy != CollectionConstructionStrategy.None, IsKeyed(shape) ? typeof(TElement) : null);
        inspection.Suspicion = CollectionKinds.FindSuspicion(type, IsKeyed(shape) ? typeof(TElement) : null);
        Inspection<TElement> element = inspector.Of(shape.ElementType);
        inspection.Parts.Add(("[]", element));
        if (inspection.OwnRefusal is not null)
            return;
        Func<TEnumerable, IEnumerable<TElement>>? items = element.MayNeedCheck ? shape.GetGetEnumerable() : null;
        inspection.Check = Combine(FindShellCheck(shape), items, element);
    }

    private static bool IsKeyed<TEnumerable, TElement>(IEnumerableTypeShape<TEnumerable, TElement> shape) =>
        shape.IsSetType || shape.SupportedComparer != CollectionComparerOptions.None;

    private static readonly Refusal Uninitialized = Refusal.Here("is a default ImmutableArray, which isn't even empty", "use ImmutableArray<T>.Empty");

    /// <summary>What must be looked at in the collection itself.</summary>
    private static ValueCheck<TEnumerable>? FindShellCheck<TEnumerable, TElement>(IEnumerableTypeShape<TEnumerable, TElement> shape)
    {
        Type type = typeof(TEnumerable);
        if (type.IsArray)
            return (in value, _) => value is null ? null : ExamineArray((Array)(object)value, typeof(TEnumerable));
        if (type.IsInterface)
            return (in value, _) => value is null ? null : CollectionKinds.ExamineBehindInterface<TElement>(value, typeof(TEnumerable));
        if (type == typeof(ImmutableArray<TElement>))
            return (in value, _) => ((ImmutableArray<TElement>)(object)value!).IsDefault ? Uninitialized : null;
        // Abstract ones of the framework, such as FrozenSet, hide classes chosen by the items.
        ValueCheck<TEnumerable>? exactType = type.IsAbstract ? null : ExactType.Check<TEnumerable>();
        if (type == typeof(HashSet<TElement>))
            return (in value, depth) => exactType!(in value, depth) ?? (value is null ? null : ComparerFidelity.ExamineUnlessText(((HashSet<TElement>)(object)value).Comparer));
        if (shape.SupportedComparer != CollectionComparerOptions.None || shape.IsSetType || type.BaseType is { IsGenericType: true })
            return (in value, depth) => exactType?.Invoke(in value, depth) ?? (value is null ? null : ComparerFidelity.Examine(value) ?? ExamineSubscribers<TElement>(value));
        return exactType;
    }

    private static ValueCheck<TEnumerable>? Combine<TEnumerable, TElement>(
        ValueCheck<TEnumerable>? shell, Func<TEnumerable, IEnumerable<TElement>>? items, Inspection<TElement> element)
    {
        if (items is null)
            return shell;
        return (in value, depth) =>
        {
            if (value is null)
                return null;
            if (NestingLimit.Examine(depth) is { } tooDeep)
                return tooDeep;
            return shell?.Invoke(in value, depth) ?? ExamineItems(items(value), element, depth + 1);
        };
    }

    private static Refusal? ExamineItems<TElement>(IEnumerable<TElement> items, Inspection<TElement> element, int depth)
    {
        if (items.GetType() == typeof(TElement[]))
            return ExamineSpan((TElement[])items, element, depth);
        if (items.GetType() == typeof(List<TElement>))
            return ExamineSpan(CollectionsMarshal.AsSpan((List<TElement>)items), element, depth);
        int index = 0;
        foreach (TElement item in items)
        {
            if (element.Examine(in item, depth) is { } refusal)
                return refusal.Under($"[{index}]");
            index++;
        }

        return null;
    }

    private static Refusal? ExamineSpan<TElement>(ReadOnlySpan<TElement> items, Inspection<TElement> element, int depth)
    {
        for (int index = 0; index < items.Length; index++)
        {
            if (element.Examine(in items[index], depth) is { } refusal)
                return refusal.Under($"[{index}]");
        }

        return null;
    }

    private static Refusal? ExamineArray(Array value, Type declared)
    {
        if (value.GetType() != declared)
        {
            return Refusal.Here(
                $"holds an array of type {ReadableName.Of(value.GetType())} but is declared as {ReadableName.Of(declared)}, and would arrive as that",
                "declare what it is");
        }

        for (int dimension = 0; dimension < value.Rank; dimension++)
        {
            if (value.GetLowerBound(dimension) != 0)
                return Refusal.Here($"is an array that starts at {value.GetLowerBound(dimension)}", "copy it into one that starts at 0");
        }

        return null;
    }

    // Whoever watches a collection does so in this process.
    private static Refusal? ExamineSubscribers<TElement>(object value)
    {
        if (value is not ObservableCollection<TElement>)
            return null;
        foreach (string name in (ReadOnlySpan<string>)["CollectionChanged", "PropertyChanged"])
        {
            FieldInfo? subscribers = typeof(ObservableCollection<TElement>).GetField(name, BindingFlags.Instance | BindingFlags.NonPublic);
            if (subscribers?.GetValue(value) is not null)
                return Refusal.Here("has subscribers, which are functions of this process", "send its items as a List");
        }

        return null;
    }
}
