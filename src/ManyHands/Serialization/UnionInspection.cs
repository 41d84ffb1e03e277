using PolyType.Abstractions;

namespace ManyHands.Serialization;

/// <summary>Base types that list their derived types, with [DerivedTypeShape] or [KnownType]: the value says which one it is.</summary>
internal static class UnionInspection
{
    public static void Fill<TUnion>(Inspection<TUnion> inspection, IUnionTypeShape<TUnion> shape, SendableInspector inspector)
    {
        // The base type on its own has the union's name, so it isn't filed under it.
        Inspection<TUnion> itself = new();
        if (!typeof(TUnion).IsAbstract)
        {
            shape.BaseType.Accept(inspector, itself);
            inspection.Parts.Add(("", itself));
        }

        itself.IsComplete = true;
        List<(Type Type, ValueCheck<TUnion>? Check)> cases = [];
        foreach (IUnionCaseShape unionCase in shape.UnionCases.OrderBy(static unionCase => unionCase.Index))
        {
            Type type = unionCase.UnionCaseType.Type;
            cases.Add((type, type == typeof(TUnion) ? itself.Check : (ValueCheck<TUnion>?)unionCase.Accept(inspector, inspection)));
        }

        // The cases of an F# union have no types of their own that one could see.
        bool isTold = cases.Select(static known => known.Type).Distinct().Count() < cases.Count;
        inspection.Check = isTold ? ByIndex(shape.GetGetUnionCaseIndex(), [.. cases.Select(static known => known.Check)]) : ByType(cases, itself);
    }

    private static ValueCheck<TUnion> ByIndex<TUnion>(Getter<TUnion, int> indexOf, ValueCheck<TUnion>?[] cases) => (in value, depth) =>
    {
        if (value is null)
            return null;
        TUnion subject = value;
        int index = indexOf(ref subject);
        return index < 0 ? Unlisted(value.GetType(), typeof(TUnion)) : cases[index]?.Invoke(in value, depth);
    };

    private static ValueCheck<TUnion> ByType<TUnion>(List<(Type Type, ValueCheck<TUnion>? Check)> cases, Inspection<TUnion> itself)
    {
        Dictionary<Type, ValueCheck<TUnion>?> checks = cases.ToDictionary(static known => known.Type, static known => known.Check);
        if (!typeof(TUnion).IsAbstract)
            checks.TryAdd(typeof(TUnion), itself.Check);
        return (in value, depth) =>
        {
            if (value is null)
                return null;
            return checks.TryGetValue(value.GetType(), out ValueCheck<TUnion>? check)
                ? check?.Invoke(in value, depth)
                : Unlisted(value.GetType(), typeof(TUnion));
        };
    }

    public static ValueCheck<TUnion>? CaseCheck<TUnionCase, TUnion>(Inspection<TUnion> inspection, IUnionCaseShape<TUnionCase, TUnion> shape, SendableInspector inspector)
    {
        Inspection<TUnionCase> member = inspector.Of(shape.UnionCaseType);
        inspection.Parts.Add(($"({ReadableName.Of(typeof(TUnionCase))})", member));
        if (!member.MayNeedCheck)
            return null;
        PolyType.IMarshaler<TUnionCase, TUnion> marshaler = shape.Marshaler;
        return (in value, depth) =>
        {
            TUnionCase? content = marshaler.Unmarshal(value);
            return content is null ? null : member.Examine(in content, depth);
        };
    }

    private static Refusal Unlisted(Type actual, Type declared) => Refusal.Here(
        $"holds an object of type {ReadableName.Of(actual)}, which {ReadableName.Of(declared)} doesn't list",
        $"put [PolyType.DerivedTypeShape(typeof({ReadableName.Of(actual)}))] on {ReadableName.Of(declared)}");
}
