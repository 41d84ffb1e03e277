using PolyType.Abstractions;

namespace ManyHands.Serialization;

/// <summary>Things with keys and values.</summary>
internal static class DictionaryInspection
{
    public static void Fill<TDictionary, TKey, TValue>(
        Inspection<TDictionary> inspection, IDictionaryTypeShape<TDictionary, TKey, TValue> shape, SendableInspector inspector)
        where TKey : notnull
    {
        Type type = typeof(TDictionary);
        inspection.OwnRefusal = CollectionKinds.Examine(type, shape.ConstructionStrategy != CollectionConstructionStrategy.None, typeof(TKey));
        inspection.Suspicion = CollectionKinds.FindSuspicion(type, typeof(TKey));
        Inspection<TKey> key = inspector.Of(shape.KeyType);
        Inspection<TValue> content = inspector.Of(shape.ValueType);
        inspection.Parts.Add(("[key]", key));
        inspection.Parts.Add(("[]", content));
        if (inspection.OwnRefusal is not null)
            return;
        bool looksInside = key.MayNeedCheck || content.MayNeedCheck;
        inspection.Check = Combine(FindShellCheck<TDictionary, TKey, TValue>(), looksInside ? shape.GetGetDictionary() : null, key, content);
    }

    private static ValueCheck<TDictionary> FindShellCheck<TDictionary, TKey, TValue>()
        where TKey : notnull
    {
        Type type = typeof(TDictionary);
        if (type.IsInterface)
            return (in value, _) => value is null ? null : CollectionKinds.ExamineBehindInterface<KeyValuePair<TKey, TValue>>(value, typeof(TDictionary));
        // Abstract ones of the framework, such as FrozenDictionary, hide classes chosen by the keys.
        ValueCheck<TDictionary>? exactType = type.IsAbstract ? null : ExactType.Check<TDictionary>();
        if (type == typeof(Dictionary<TKey, TValue>))
            return (in value, depth) => exactType!(in value, depth) ?? (value is null ? null : ComparerFidelity.ExamineUnlessText(((Dictionary<TKey, TValue>)(object)value).Comparer));
        return (in value, depth) => exactType?.Invoke(in value, depth) ?? (value is null ? null : ComparerFidelity.Examine(value));
    }

    private static ValueCheck<TDictionary> Combine<TDictionary, TKey, TValue>(
        ValueCheck<TDictionary> shell, Func<TDictionary, IReadOnlyDictionary<TKey, TValue>>? items, Inspection<TKey> key, Inspection<TValue> content)
        where TKey : notnull
    {
        if (items is null)
            return shell;
        return (in value, depth) =>
        {
            if (value is null)
                return null;
            if (NestingLimit.Examine(depth) is { } tooDeep)
                return tooDeep;
            return shell(in value, depth) ?? ExamineItems(items(value), key, content, depth + 1);
        };
    }

    private static Refusal? ExamineItems<TKey, TValue>(IReadOnlyDictionary<TKey, TValue> items, Inspection<TKey> key, Inspection<TValue> content, int depth)
        where TKey : notnull
    {
        foreach ((TKey name, TValue item) in items)
        {
            if (key.Examine(in name, depth) is { } badKey)
                return badKey.Under($"[key {name}]");
            if (content.Examine(in item, depth) is { } badItem)
                return badItem.Under($"[{name}]");
        }

        return null;
    }
}
