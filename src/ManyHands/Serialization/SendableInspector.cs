using System.Reflection;
using System.Runtime.CompilerServices;
using ManyHands.Platform;
using Nerdbank.MessagePack;
using PolyType;
using PolyType.Abstractions;

namespace ManyHands.Serialization;

/// <summary>
/// Works out, once per type, whether its values can travel and what must be looked at in each value. It sees a type the way the
/// serializer does, member by member, and so knows what the serializer would leave behind.
/// </summary>
internal sealed class SendableInspector : TypeShapeVisitor
{
    private static readonly Lock Gate = new();

    // Guarded by Gate. While that is held, inspections of types that contain themselves are in here unfinished.
    private static readonly Dictionary<Type, Inspection> Known = [];
    private static readonly SendableInspector Instance = new();

    private SendableInspector()
    {
    }

    /// <summary>Inspects the type. Its shape is null if it has none, and then the verdict says why.</summary>
    public static Inspection<T> Inspect<T>(out ITypeShape<T>? shape)
    {
        lock (Gate)
        {
            try
            {
                shape = ExactSerializer.ShapeOf<T>();
            }
            catch (Exception exception)
            {
                shape = null;
                return Unshaped<T>(exception);
            }

            return Instance.Of(shape);
        }
    }

    /// <summary>The inspection of a type met inside another. Only while <see cref="Gate"/> is held.</summary>
    public Inspection<T> Of<T>(ITypeShape<T> shape)
    {
        if (Known.TryGetValue(typeof(T), out Inspection? known))
            return (Inspection<T>)known;
        Inspection<T> inspection = new();
        Known[typeof(T)] = inspection;
        Fill(inspection, shape);
        return inspection;
    }

    public override object? VisitObject<T>(IObjectTypeShape<T> objectShape, object? state = null)
    {
        ObjectInspection.Fill((Inspection<T>)state!, objectShape, this);
        return null;
    }

    public override object? VisitProperty<TDeclaringType, TPropertyType>(IPropertyShape<TDeclaringType, TPropertyType> propertyShape, object? state = null)
    {
        Inspection<TDeclaringType> inspection = (Inspection<TDeclaringType>)state!;
        string segment = "." + propertyShape.Name;
        if (IsConvertedByUser(propertyShape.AttributeProvider))
            return null;
        if (propertyShape.AttributeProvider.GetCustomAttributes<UseComparerAttribute>().Any())
            inspection.OwnRefusal ??= Refusal.Here("would arrive with another comparer, by [UseComparer]", "remove that, and make a copy with the comparer inside the function").Under(segment);
        Inspection<TPropertyType> member = Of(propertyShape.PropertyType);
        inspection.Parts.Add((segment, member));
        if (!member.MayNeedCheck)
            return null;
        Getter<TDeclaringType, TPropertyType> read = propertyShape.GetGetter();
        return new ValueCheck<TDeclaringType>((in value, depth) =>
        {
            TPropertyType content = read(ref Unsafe.AsRef(in value));
            return member.Examine(in content, depth)?.Under(segment);
        });
    }

    public override object? VisitEnumerable<TEnumerable, TElement>(IEnumerableTypeShape<TEnumerable, TElement> enumerableShape, object? state = null)
    {
        CollectionInspection.Fill((Inspection<TEnumerable>)state!, enumerableShape, this);
        return null;
    }

    public override object? VisitDictionary<TDictionary, TKey, TValue>(IDictionaryTypeShape<TDictionary, TKey, TValue> dictionaryShape, object? state = null)
    {
        DictionaryInspection.Fill((Inspection<TDictionary>)state!, dictionaryShape, this);
        return null;
    }

    public override object? VisitOptional<TOptional, TElement>(IOptionalTypeShape<TOptional, TElement> optionalShape, object? state = null)
    {
        Inspection<TOptional> inspection = (Inspection<TOptional>)state!;
        Inspection<TElement> element = Of(optionalShape.ElementType);
        inspection.Parts.Add(("", element));
        if (element.MayNeedCheck)
        {
            OptionDeconstructor<TOptional, TElement> deconstruct = optionalShape.GetDeconstructor();
            inspection.Check = (in value, depth) => deconstruct(value, out TElement? content) ? element.Examine(in content, depth) : null;
        }

        return null;
    }

    public override object? VisitEnum<TEnum, TUnderlying>(IEnumTypeShape<TEnum, TUnderlying> enumShape, object? state = null) => null;

    public override object? VisitFunction<TFunction, TArgumentState, TResult>(IFunctionTypeShape<TFunction, TArgumentState, TResult> functionShape, object? state = null)
    {
        ((Inspection<TFunction>)state!).OwnRefusal = Refusal.Here("is a function", "pass the data it needs and choose the function on the other side");
        return null;
    }

    /// <summary>A type that its author gave a stand-in to travel as.</summary>
    public override object? VisitSurrogate<T, TSurrogate>(ISurrogateTypeShape<T, TSurrogate> surrogateShape, object? state = null)
    {
        Inspection<T> inspection = (Inspection<T>)state!;
        Inspection<TSurrogate> surrogate = Of(surrogateShape.SurrogateType);
        inspection.Parts.Add(("", surrogate));
        IMarshaler<T, TSurrogate> marshaler = surrogateShape.Marshaler;
        ValueCheck<T>? exactType = ExactType.Check<T>();
        inspection.Check = (in value, depth) =>
        {
            if (value is null)
                return null;
            if (exactType?.Invoke(in value, depth) is { } derived)
                return derived;
            TSurrogate? stand = marshaler.Marshal(value);
            return stand is null ? null : surrogate.Examine(in stand, depth + 1);
        };
        return null;
    }

    public override object? VisitUnion<TUnion>(IUnionTypeShape<TUnion> unionShape, object? state = null)
    {
        UnionInspection.Fill((Inspection<TUnion>)state!, unionShape, this);
        return null;
    }

    public override object? VisitUnionCase<TUnionCase, TUnion>(IUnionCaseShape<TUnionCase, TUnion> unionCaseShape, object? state = null) =>
        UnionInspection.CaseCheck((Inspection<TUnion>)state!, unionCaseShape, this);

    private static Inspection<T> Unshaped<T>(Exception exception) => new()
    {
        OwnRefusal = UnsendableTypes.Find(typeof(T))
            ?? Refusal.Here($"can't be taken apart ({ExceptionText.MessageOf(exception.GetBaseException()).TrimEnd('.')})", "send a record with just the data"),
        IsComplete = true,
    };

    private static bool IsConvertedByUser(IGenericCustomAttributeProvider attributes) => attributes.GetCustomAttributes<MessagePackConverterAttribute>().Any();

    private void Fill<T>(Inspection<T> inspection, ITypeShape<T> shape)
    {
        try
        {
            if (TravellingTypes.Contains(typeof(T)))
                inspection.Check = TravellingTypes.Check<T>();
            else if (UnsendableTypes.Find(typeof(T)) is { } refusal)
                inspection.OwnRefusal = refusal;
            else if (typeof(T).GetCustomAttribute<MessagePackConverterAttribute>() is not null)
                inspection.Check = ExactType.Check<T>();
            else
                shape.Accept(this, inspection);
        }
        catch (Exception exception)
        {
            inspection.OwnRefusal = Refusal.Here(
                $"can't be taken apart ({ExceptionText.MessageOf(exception.GetBaseException()).TrimEnd('.')})",
                "send a record with just the data");
        }

        inspection.IsComplete = true;
    }
}
