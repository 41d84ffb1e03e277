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
        ValueCheck<TUnion>?[] cases = new ValueCheck<TUnion>?[shape.UnionCases.Count];
        foreach (IUnionCaseShape unionCase in shape.UnionCases)
        {
            cases[unionCase.Index] = unionCase.UnionCaseType.Type == typeof(TUnion)
                ? itself.Check
                : (ValueCheck<TUnion>?)unionCase.Accept(inspector, inspection);
        }

        Getter<TUnion, int> indexOf = shape.GetGetUnionCaseIndex();
        inspection.Check = (in value, depth) =>
        {
            if (value is null)
                return null;
            TUnion subject = value;
            int index = indexOf(ref subject);
            if (index >= 0)
                return cases[index]?.Invoke(in value, depth);
            return typeof(TUnion).IsAbstract ? Unlisted(value.GetType(), typeof(TUnion)) : itself.Examine(in value, depth);
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
